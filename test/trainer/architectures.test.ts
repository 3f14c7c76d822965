import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Probe, TokenRow } from '../../src/core/lm.ts';
import { seededRng } from '../../src/core/rng.ts';
import type { TrainingSpec } from '../../src/core/trainer.ts';
import { localModel } from '../../src/lm/llama/local-model.ts';
import { effectOf, parityOf, probesOf, requireEffect, requireParity } from '../../src/run/gates.ts';
import { sha256OfFile } from '../../src/system/files.ts';
import { pythonProgram, trainerSource } from '../../src/system/folders.ts';
import { importJob, rowLines, sftJob } from '../../src/trainer/job.ts';
import { readProbeFile } from '../../src/trainer/probe-file.ts';

// The real runtime and the real trainer on a random model of each architecture that is imported, through the gates of a weight step.

const names = ['llama', 'mistral', 'llama-yarn', 'qwen2', 'qwen3', 'gemma3', 'phi3', 'phi3-partial', 'gemma2'];
const untested = ['gemma2'];
// The others have the same matrices as one of these.
const trained = ['llama', 'qwen2', 'qwen3', 'gemma3', 'phi3'];

let root: string;
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'better-together-architectures-'));
  await python('tiny_architectures.py', root);
  const jobs = [...names.map(importOf), ...trained.map(trainingOf)];
  await python('finish_jobs.py', ...jobs);
}, 600_000);
afterAll(() => rmSync(root, { recursive: true }));

const python = (script: string, ...args: string[]) =>
  execa(pythonProgram(), [join(trainerSource(), 'tests', script), ...args], { env: { PYTHONPATH: trainerSource() } });

test.each(names)(
  '%s: runtime and trainer agree about the base, and about an adapter',
  async (name) => {
    await using model = await localModel({
      gguf: ggufOf(name),
      device: 'cpu',
      threads: 1,
      sequences: 1,
      contextTokens,
    });
    const runtimeBase = await model.logProbabilities(probes, null);
    const base = parityOf(runtimeBase, readProbeFile(join(root, `${name}-import`, 'probe.f32'), probes));
    requireParity('base', base, model.base);
    expect(base.meanKl).toBeLessThan(1e-4);
    if (!trained.includes(name)) return;

    const folder = join(root, `${name}-training`);
    const path = join(folder, 'adapter.gguf');
    const runtimeAdapter = await model.logProbabilities(probes, { sha256: await sha256OfFile(path), path });
    const trainerBase = readProbeFile(join(folder, 'probe-base.f32'), probes);
    const trainerAdapter = readProbeFile(join(folder, 'probe-adapter.f32'), probes);
    const adapter = parityOf(runtimeAdapter, trainerAdapter);
    requireParity('adapter', adapter, model.base);
    expect(adapter.meanKl).toBeLessThan(1e-4);
    const moved = effectOf(
      { base: runtimeBase, adapter: runtimeAdapter },
      { base: trainerBase, adapter: trainerAdapter },
    );
    requireEffect(moved, parityOf(trainerAdapter, trainerBase), base);
    expect(moved.meanKl).toBeGreaterThan(1e-2);
  },
  240_000,
);

// -----------------------------------------------------------------------------

const contextTokens = 1024;
const vocabulary = 480;
const rng = seededRng('architectures');
const draw = () => 4 + Math.floor(rng.next() * (vocabulary - 4));
const rows: TokenRow[] = Array.from({ length: 8 }, () => {
  const promptIds = Array.from({ length: 100 }, draw);
  return { promptIds, completionIds: [promptIds[0]!, 2] };
});
const probes: Probe[] = probesOf(rows, contextTokens);

const ggufOf = (name: string): string => join(root, `${name}.gguf`);

function importOf(name: string): string {
  const job = importJob({
    gguf: ggufOf(name),
    baseFolder: null,
    out: join(root, `${name}-base`),
    dtype: 'float32',
    allowUntestedArchitecture: untested.includes(name),
    threads: 1,
    probes,
  });
  return writeJob(`${name}-import`, job);
}

function trainingOf(name: string): string {
  const job = sftJob({
    spec,
    base: join(root, `${name}-base`),
    gguf: ggufOf(name),
    startAdapter: null,
    device: 'cpu',
    threads: 1,
    probes,
    neutral: [],
  });
  const path = writeJob(`${name}-training`, job);
  writeFileSync(join(root, `${name}-training`, 'rows.jsonl'), rowLines(rows));
  return path;
}

function writeJob(folder: string, job: unknown): string {
  mkdirSync(join(root, folder));
  const path = join(root, folder, 'job.json');
  writeFileSync(path, JSON.stringify(job));
  return path;
}

const spec: TrainingSpec = {
  base: 'tiny',
  startFrom: null,
  rows,
  lora: { rank: 4, alpha: 8, dropout: 0, rsLora: false, topLayers: null, targets: 'all' },
  training: {
    method: 'sft',
    beta: null,
    steps: 4,
    batch: 8,
    learningRate: 0.01,
    warmupSteps: 0,
    schedule: 'constant',
    precision: 'float32',
    quantization: 'none',
  },
  evaluation: null,
  seed: 0,
};
