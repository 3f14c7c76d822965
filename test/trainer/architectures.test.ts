import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Probe, TokenRow } from '../../src/core/lm.ts';
import { seededRng } from '../../src/core/rng.ts';
import { type LocalModel, localModel } from '../../src/lm/llama/local-model.ts';
import { parityOf, probesOf, requireParity } from '../../src/run/gates.ts';
import { readProbeFile } from '../../src/trainer/probe-file.ts';
import { gateFigures, refusingGate } from '../support/gate-figures.ts';
import { finishJobs, python, writeImport, writeTraining } from '../support/trainer-jobs.ts';

// The real runtime and the real trainer on a random model of each architecture that is imported, through the gates of a weight step.

const names = ['llama', 'mistral', 'llama-yarn', 'qwen2', 'qwen3', 'gemma3', 'phi3', 'phi3-partial', 'gemma2'];
const untested = ['gemma2'];
// The others have the same matrices as one of these.
const trained = ['llama', 'qwen2', 'qwen3', 'gemma3', 'phi3'];
const quantized = trained.flatMap((name) => [`${name}-Q8_0`, `${name}-Q4_0`]);

let root: string;
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'better-together-architectures-'));
  await python('tiny_architectures.py', root);
  await finishJobs([...names.map(importOf), ...quantized.map(importOf), ...trained.map(trainingOf)]);
}, 1_200_000);
afterAll(() => rmSync(root, { recursive: true }));

test.each(names)(
  '%s: runtime and trainer agree about the base, and about an adapter',
  async (name) => {
    await using model = await open(name);
    const runtimeBase = await model.logProbabilities(probes, null);
    const base = parityOf(runtimeBase, imported(name));
    requireParity('base', base, model.base);
    expect(base.meanKl).toBeLessThan(1e-4);
    if (!trained.includes(name)) return;

    const folder = join(root, `${name}-training`);
    const figures = await gateFigures({ model, folder, rows, probes, runtimeBase });
    expect(refusingGate(figures, model)).toBeNull();
    expect(figures.adapter.meanKl).toBeLessThan(1e-4);
    expect(figures.effect.meanKl).toBeGreaterThan(1e-2);
  },
  240_000,
);

test.each(quantized)(
  '%s: runtime and trainer agree about the base as it was dequantised',
  async (name) => {
    await using model = await open(name);
    const base = parityOf(await model.logProbabilities(probes, null), imported(name));
    expect(base.meanKl).toBeGreaterThan(1e-6);
    requireParity('base', base, model.base);
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

const open = (name: string): Promise<LocalModel> =>
  localModel({ gguf: join(root, `${name}.gguf`), device: 'cpu', threads: 1, sequences: 1, contextTokens });

const imported = (name: string) => readProbeFile(join(root, `${name}-import`, 'probe.f32'), probes);

const filesOf = (name: string) => ({
  root,
  gguf: join(root, `${name}.gguf`),
  base: join(root, `${name}-base`),
  probes,
});

const importOf = (name: string): string =>
  writeImport(`${name}-import`, { ...filesOf(name), allowUntestedArchitecture: untested.includes(name) });

const trainingOf = (name: string): string =>
  writeTraining(`${name}-training`, { ...filesOf(name), rows, lora: {}, training: {} });
