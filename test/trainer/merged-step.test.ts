import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { predict } from '../../src/core/callable.ts';
import type { ModelRef } from '../../src/core/candidate.ts';
import type { RunEvent } from '../../src/core/event.ts';
import type { Store } from '../../src/core/store.ts';
import type { RunSummary } from '../../src/core/summary.ts';
import { exactMatch } from '../../src/evaluate/metrics.ts';
import { type LocalModel, localModel } from '../../src/lm/llama/local-model.ts';
import { bootstrapFinetune } from '../../src/optimize/bootstrap-finetune.ts';
import { labeledFewShot } from '../../src/optimize/labeled-few-shot.ts';
import { betterTogetherOver } from '../../src/run/better-together.ts';
import { memoryStore } from '../../src/store/sqlite-store.ts';
import { sha256OfFile } from '../../src/system/files.ts';
import { pythonProgram, trainerSource } from '../../src/system/folders.ts';
import { pythonTrainer } from '../../src/trainer/python-trainer.ts';
import { numbers, parity } from '../support/parity-task.ts';

// The real trainer and the real runtime on a random model: a weight step that merges, and the prompt step after it.

let root: string;
let store: Store;
let lm: LocalModel;
let summary: RunSummary;
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'better-together-merged-step-'));
  const gguf = join(root, 'tiny.gguf');
  await execa(pythonProgram(), [join(trainerSource(), 'tests', 'tiny_model.py'), gguf]);
  lm = await localModel({ gguf, device: 'cpu', threads: 1, sequences: 2, contextTokens: 512 });
  store = memoryStore();
  const together = betterTogetherOver({
    version: 'test',
    concurrency: 4,
    now: () => performance.now(),
    openStore: () => store,
    trainer: () => pythonTrainer({ device: 'cpu', threads: 1, imports: join(root, 'imports') }),
    onNetworkAttempt: () => () => {},
    optimizers: () => ({
      p: labeledFewShot({ k: 2 }),
      w: bootstrapFinetune({ rows: 'labelled', load: 'merged', mergedType: 'F16', steps: 4, learningRate: 0.01 }),
    }),
  });
  const best = await together({ metric: exactMatch() }).compile(predict(parity).withLm(lm), {
    trainset: numbers(0, 16),
    valset: numbers(16, 24),
    strategy: 'w -> p',
    stepStart: 'latest',
    store,
  });
  summary = best.summary;
}, 600_000);
afterAll(async () => {
  await lm.release();
  store.close();
  rmSync(root, { recursive: true });
});

const gates = () =>
  store
    .events(summary.run)
    .filter((event): event is Extract<RunEvent, { type: 'gate' }> => event.type === 'gate')
    .map(({ gate, parity: figures }): [string, number] => [gate, figures.meanKl]);

const merged = (): Required<ModelRef> => {
  const model = summary.candidates[1]!.candidate.predictors.predict!.model;
  return { merged: '', ...model };
};

test('the merged file says what the trainer says, and moves the base as far as the adapter does', () => {
  const figures = Object.fromEntries(gates());
  expect(Object.keys(figures)).toEqual(['base', 'adapter', 'effect', 'merged', 'merged-effect']);
  expect(figures.merged).toBeLessThan(1e-4);
  expect(figures.effect).toBeGreaterThan(1e-2);
  expect(figures['merged-effect']! / figures.effect!).toBeCloseTo(1, 1);
});

test('it answers like the adapter on top of its base, and both speeds are measured', () => {
  const [comparison] = summary.loads!;
  expect(comparison!.merged.val).toEqual(comparison!.adapter.val);
  expect(comparison!.adapter.callsPerSecond).toBeGreaterThan(0);
  expect(comparison!.merged.callsPerSecond).toBeGreaterThan(0);
});

test('it is kept under its sha256, in the engine of its base', async () => {
  const path = store.file('merged', merged().merged)!;
  expect(await sha256OfFile(path)).toBe(merged().merged);
  expect(store.layout(summary.run, merged().merged)).toEqual(store.layout(summary.run, merged().base));
});

test('a file that is not what its id says is not opened', async () => {
  const other = join(root, 'other.gguf');
  copyFileSync(lm.base.path, other);
  await expect(lm.openMerged({ sha256: merged().merged, path: other })).rejects.toMatchObject({
    code: 'merged-changed',
    message: expect.stringContaining(lm.base.sha256),
  });
});

test('its host ends with that of its base', async () => {
  const model = await lm.openMerged({ sha256: merged().merged, path: store.file('merged', merged().merged)! });
  const ask = () => model.weights!.logProbabilities([{ ids: [1, 5], positions: [1] }], null);
  const before = await ask();
  await lm.release();
  expect(await ask()).toEqual(before); // opened again by its use
});
