import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { localModel } from '../../src/lm/llama/local-model.ts';
import { parityOf, probesOf, requireParity } from '../../src/run/gates.ts';
import { pythonProgram, trainerSource } from '../../src/system/folders.ts';
import { readProbeFile } from '../../src/trainer/probe-file.ts';
import { gateFigures, refusingGate } from '../support/gate-figures.ts';
import { limitMemory, peakUnder } from '../support/memory-limit.ts';
import { ticketRows } from '../support/real-weight-step.ts';
import { finishJobs, writeImport, writeTraining } from '../support/trainer-jobs.ts';

// Real models that set-up does not fetch: each file is named by a variable, and without it there is nothing to test.
const bases = [
  { variable: 'BETTER_TOGETHER_QWEN_GGUF', what: 'Qwen2.5-Coder-1.5B-Instruct Q4_K_M', architecture: 'qwen2' },
  { variable: 'BETTER_TOGETHER_GEMMA_GGUF', what: 'Gemma 3 270M Q4_K_M', architecture: 'gemma3' },
];
const limitBytes = 4e9;
const contextTokens = 1024;
const threads = 2;

let root: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'better-together-large-'));
});
afterAll(() => rmSync(root, { recursive: true }));

const title = '$what is imported in 4 GB of memory, trained for a few steps, and served as it was trained';
test.for(bases)(title, async ({ variable, what, architecture }, { skip }) => {
  const gguf = process.env[variable] ?? '';
  if (!existsSync(gguf)) skip(`${variable} names no file; it should be ${what}`);
  await using model = await localModel({ gguf, device: 'cpu', threads, sequences: 1, contextTokens });
  expect(model.base.architecture).toBe(architecture);
  const rows = await model.encode(ticketRows(6));
  const probes = probesOf(rows, contextTokens);
  const runtimeBase = await model.logProbabilities(probes, null);
  await model.release();

  const files = { root, gguf, base: join(root, `${architecture}-base`), threads, probes };
  const job = writeImport(`${architecture}-import`, files);
  const limit = limitMemory(limitBytes);
  const started = performance.now();
  const peak = await peakUnder(limit, pythonProgram(), ['-m', 'better_together_trainer', 'run', job], {
    PYTHONPATH: trainerSource(),
    BETTER_TOGETHER_EVENTS: join(root, `${architecture}-import`, 'events.jsonl'),
  }).finally(limit.remove);
  const seconds = (performance.now() - started) / 1000;
  const weights = statSync(join(files.base, 'model.safetensors')).size;
  const base = parityOf(runtimeBase, readProbeFile(join(root, `${architecture}-import`, 'probe.f32'), probes));
  console.log(
    `${what}: imported and compared in ${seconds.toFixed(0)} s under ${limit.kind}, at most ${gigabytes(limitBytes)}; ` +
      `own memory at most ${gigabytes(peak)}, weights ${gigabytes(weights)} on disk; base KL ${base.meanKl}`,
  );
  expect(peak).toBeGreaterThan(0);
  expect(peak).toBeLessThan(limitBytes);
  requireParity('base', base, model.base);

  const training = { steps: 3, batch: 2, learningRate: 1e-3 };
  await finishJobs([
    writeTraining(`${architecture}-training`, {
      ...files,
      rows,
      lora: { rank: 8, alpha: 16, topLayers: 4 },
      training,
    }),
  ]);
  const folder = join(root, `${architecture}-training`);
  const figures = await gateFigures({ model, folder, rows, probes, runtimeBase });
  console.log(`${what}: ${JSON.stringify(figures)}`);
  expect(refusingGate(figures, model)).toBeNull();
  expect(figures.effect.meanKl).toBeGreaterThan(figures.adapter.meanKl);
});

const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(2)} GB`;
