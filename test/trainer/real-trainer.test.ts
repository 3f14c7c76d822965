import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Interrupted, StepError } from '../../src/core/errors.ts';
import type { BaseModel } from '../../src/core/lm.ts';
import type { Trained, TrainingProgress, TrainingSpec, TrainOptions } from '../../src/core/trainer.ts';
import { sha256OfFile } from '../../src/system/files.ts';
import { pythonProgram, trainerSource } from '../../src/system/folders.ts';
import { importerVersion } from '../../src/trainer/imported-base.ts';
import { pythonTrainer } from '../../src/trainer/python-trainer.ts';

// Python itself, with a random model of 142,000 parameters. Most of each test is the import of torch.

let root: string;
let base: BaseModel;
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'better-together-real-trainer-'));
  const path = join(root, 'tiny.gguf');
  await execa(pythonProgram(), [join(trainerSource(), 'tests', 'tiny_model.py'), path]);
  base = {
    sha256: await sha256OfFile(path),
    path,
    name: 'tiny',
    architecture: 'llama',
    parameters: 141_760,
    layers: 3,
    vocabularySize: 480,
    trainedContextTokens: 2048,
    fileType: 'F16',
  };
});
afterAll(() => rmSync(root, { recursive: true }));

const trainer = () => pythonTrainer({ device: 'cpu', threads: 1, imports: join(root, 'imports') });

test('says who it is without a path', async () => {
  const identity = await trainer().identity();
  expect(identity).toMatchObject({ torch: expect.stringMatching(/^\d+\.\d+/), device: 'cpu', threads: 1 });
  expect(Object.values(identity).filter((value) => String(value).includes('/'))).toEqual([]);
});

test('imports a base once and says what torch thinks of the probes', async () => {
  const options = { base, folder: join(root, 'import'), probes };
  const rows = (await trainer().prepare(options)) ?? [];
  expect(rows.map((row) => [row.length, probabilityMass(row)])).toEqual(Array(3).fill([480, 1]));
  const imported = join(root, 'imports', `${base.sha256}-${importerVersion}-float32`);
  expect(JSON.parse(readFileSync(join(imported, 'import.json'), 'utf8')).importer).toBe(importerVersion);
  await trainer().accept(base, { positions: 3, meanKl: 0, worstKl: 0 });
  expect(await trainer().prepare(options)).toBeNull();
}, 60_000);

test('stops when asked, trains when started again, and does what is finished no second time', async () => {
  const folder = join(root, 'work');
  const train = async (hooks: Pick<TrainOptions, 'signal' | 'onPhase'> = {}) => {
    const steps: number[] = [];
    const onProgress = ({ step }: TrainingProgress) => steps.push(step);
    const trained = await trainer()
      .train(spec, { base, startFolder: null, folder, probes, neutral, onProgress, ...hooks })
      .catch((error: unknown) => error);
    return { steps, trained };
  };

  // While torch is imported, which is the cheapest moment; python-trainer's own tests stop between two steps and compare bytes.
  const stop = new AbortController();
  const first = await train({ signal: stop.signal, onPhase: (phase) => phase.includes('torch') && stop.abort() });
  expect(first.trained).toBeInstanceOf(Interrupted);
  const second = await train();
  expect(second.steps).toEqual(range(1, spec.training.steps));
  const third = await train();
  expect(third).toEqual({ steps: [], trained: second.trained });

  // `as`: a failed training would have been an error, which has no adapter.
  const trained = second.trained as Trained;
  expect(trained.adapter.sha256).toBe(await sha256OfFile(trained.adapter.path));
  expect(trained.losses.map(({ step }) => step)).toEqual(range(1, spec.training.steps));
  expect(trained.heldOutLosses.map(({ step }) => step)).toEqual([2, 4]);
  expect([trained.steps, trained.keptStep]).toEqual([4, 4]);
  expect(trained.forgetting.positions).toBe(2);
  expect(trained.forgetting.meanKl).toBeGreaterThan(0);
  expect(trained.supervisedTokens).toBe(2 * spec.training.batch * spec.training.steps);
  expect([...trained.probeBase, ...trained.probeAdapter].map(probabilityMass)).toEqual(Array(6).fill(1));
  expect(trained.probeAdapter).not.toEqual(trained.probeBase);
  expect(readdirSync(trained.resumeFrom).sort()).toEqual(['adapter_config.json', 'adapter_model.safetensors']);
}, 120_000);

test('refuses what cannot be trained before anything is loaded, all of it at once', async () => {
  const wrong = { ...spec, lora: { ...spec.lora, rank: 0 }, training: { ...spec.training, learningRate: -1 } };
  const error = await trainer()
    .train(wrong, { base, startFolder: null, folder: join(root, 'wrong'), probes, neutral })
    .catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(StepError);
  expect(error).toMatchObject({ code: 'bad-job', message: expect.stringMatching(/lora\.rank[\s\S]*learningRate/) });
});

const range = (first: number, last: number) => Array.from({ length: last - first + 1 }, (_, index) => first + index);

const probabilityMass = (row: Float32Array) => Number(row.reduce((sum, value) => sum + Math.exp(value), 0).toFixed(3));

const probes = [
  { ids: [1, 5, 6, 7], positions: [1, 3] },
  { ids: [1, 9], positions: [1] },
];
const neutral = [{ ids: [1, 30, 31], positions: [1, 2] }];
const spec: TrainingSpec = {
  base: 'tiny',
  startFrom: null,
  rows: Array.from({ length: 16 }, (_, index) => ({ promptIds: [1, 5, 7 + index], completionIds: [20 + index, 2] })),
  lora: { rank: 4, alpha: 8, dropout: 0, rsLora: false, topLayers: 2, targets: 'all' },
  training: {
    method: 'sft',
    beta: null,
    steps: 4,
    batch: 4,
    learningRate: 0.01,
    warmupSteps: 1,
    schedule: 'constant',
    precision: 'float32',
    quantization: 'none',
  },
  evaluation: { rows: [{ promptIds: [1, 5, 8], completionIds: [21, 2] }], everySteps: 2, patience: 2, keep: 'last' },
  seed: 0,
};
