import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { InputError, Interrupted, StepError, WorldError } from '../../src/core/errors.ts';
import type { BaseModel } from '../../src/core/lm.ts';
import type { TrainingSpec } from '../../src/core/trainer.ts';
import { tryLock } from '../../src/system/lock.ts';
import { readBaseFolder } from '../../src/trainer/base-folder.ts';
import { autoPrecision, microBatchOf, rowLines } from '../../src/trainer/job.ts';
import { type PythonTrainerOptions, pythonTrainer } from '../../src/trainer/python-trainer.ts';

const fakePython = fileURLToPath(new URL('./fake-python.mjs', import.meta.url));

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'better-together-trainer-'));
});
afterEach(() => rmSync(root, { recursive: true }));

/** A trainer over a program that answers as the settings say. */
function trainerWith(settings: object = {}, options: PythonTrainerOptions = {}) {
  const python = join(mkdtempSync(join(root, 'bin-')), 'python');
  const text = JSON.stringify({ ...settings, journal: join(root, 'journal') });
  writeFileSync(python, `#!/bin/sh\nexec "${process.execPath}" "${fakePython}" '${text}' "$@"\n`, { mode: 0o755 });
  return pythonTrainer({ python, threads: 2, imports: join(root, 'imports'), ...options });
}

const journal = () => readFileSync(join(root, 'journal'), 'utf8').trim().split('\n');

const folderOf = (name: string) => join(root, name);

const importOf = (name: string) => JSON.parse(readFileSync(join(folderOf(name), 'import', 'job.json'), 'utf8'));

describe('the identity', () => {
  test('is all that can change the bytes, asked of Python once, and no path', async () => {
    const trainer = trainerWith();
    const identity = await trainer.identity();
    expect(await trainer.identity()).toEqual(identity);
    expect(identity).toEqual({
      python: '3.11.7',
      torch: '2.15.0',
      platform: 'linux-x86_64',
      device: 'cpu',
      importDtype: 'float32',
      autoPrecision: autoPrecision('cpu'),
      threads: 2,
      largestMicroBatch: 8,
      maxGradNorm: 1,
      weightDecay: 0,
    });
    expect(journal()).toEqual(['versions']);
  });

  test.each([
    [{ cuda: { usable: true }, metal: true }, 'cuda'],
    [{ metal: true }, 'metal'],
    [{}, 'cpu'],
  ])('has the best device that is usable: %j', async (settings, device) => {
    expect((await trainerWith(settings, { device: 'auto' }).identity()).device).toBe(device);
  });

  test('has the device that was named when it is usable', async () => {
    expect((await trainerWith({ cuda: { usable: true } }, { device: 'cpu' }).identity()).device).toBe('cpu');
  });
});

describe('a device that was named and is not usable is refused with the reason:', () => {
  test.each([
    ['cuda', { torchBuild: null }, 'the installed torch was built without CUDA'],
    ['cuda', {}, 'there is no NVIDIA driver'],
    ['cuda', { driver: '12.4' }, 'the NVIDIA driver finds no GPU'],
    ['cuda', { driver: '12.4', devices: 1 }, 'the NVIDIA driver (CUDA 12.4) is older than what torch was built for'],
    ['metal', {}, 'Metal needs a Mac with Apple silicon'],
  ] as const)('%s, %j', async (device, cuda, reason) => {
    const error = await trainerWith({ cuda }, { device })
      .identity()
      .catch((thrown) => thrown);
    expect(error).toBeInstanceOf(InputError);
    expect(error).toMatchObject({ code: 'device-not-usable', message: expect.stringContaining(reason) });
  });
});

describe('a Python that cannot train is missing, with the command that makes one:', () => {
  const missing = async (trainer: ReturnType<typeof trainerWith>, message: RegExp) => {
    const error = await trainer.identity().catch((thrown) => thrown);
    expect(error).toBeInstanceOf(WorldError);
    expect(error).toMatchObject({ code: 'python-missing', message: expect.stringMatching(message) });
    expect(error.hint).toMatch('npm run setup');
  };

  test('no program', () => missing(trainerWith({}, { python: join(root, 'none') }), /no Python program at .*none/));
  test('no package', () => missing(trainerWith({ versions: { trl: null } }), /lacks the package trl/));
  test('another program', () =>
    missing(trainerWith({}, { python: '/bin/echo' }), /\/bin\/echo cannot run the trainer/));
  test('no trainer in it', () =>
    missing(trainerWith({ broken: 'No module' }), /cannot run the trainer:[\s\S]*No module/));
});

describe('a base', () => {
  test('is imported for the gate until it is accepted, and then not again', async () => {
    const trainer = trainerWith();
    const options = { base, folder: folderOf('work'), probes };
    const expected = [Float32Array.of(-1, 0), Float32Array.of(-1, 2), Float32Array.of(-1, 1)];
    expect(await trainer.prepare(options)).toEqual(expected);
    expect(await trainer.prepare(options)).toEqual(expected);
    await trainer.accept(base, { positions: 3, meanKl: 0.001, worstKl: 0.01 });
    expect(await trainer.prepare(options)).toBeNull();
    expect(await trainerWith().prepare(options)).toBeNull();
    expect(journal().filter((command) => command === 'run')).toHaveLength(2);
  });

  test.each([
    [{}, false],
    [{ allowUntestedArchitecture: true }, true],
  ])(
    'of an architecture never compared with llama.cpp is imported only where that is allowed: %j',
    async (options, allowed) => {
      await trainerWith({}, options).prepare({ base, folder: folderOf('work'), probes });
      expect(importOf('work')).toMatchObject({ kind: 'import', allowUntestedArchitecture: allowed });
    },
  );

  test.each([
    [{}, 'cpu', 'float32'],
    [{ cuda: { usable: true } }, 'cuda', 'bfloat16'],
    [{ metal: true }, 'metal', 'bfloat16'],
  ] as const)('is kept in the numbers of its device: %j', async (settings, device, dtype) => {
    await trainerWith(settings, { device }).prepare({ base, folder: folderOf('work'), probes });
    expect(importOf('work')).toMatchObject({ dtype, out: join(root, 'imports', `b5-2-${dtype}`) });
  });

  test('with a folder named for its weights is imported from there, once for each content', async () => {
    const published = folderOf('published');
    mkdirSync(published);
    writeFileSync(join(published, 'config.json'), '{}');
    writeFileSync(join(published, 'model.safetensors'), 'weights');
    const { sha256 } = await readBaseFolder(published);
    const trainer = trainerWith({}, { baseFolder: published });
    expect((await trainer.identity()).baseFolder).toBe(sha256);
    await trainer.prepare({ base, folder: folderOf('work'), probes });
    expect(importOf('work')).toMatchObject({
      baseFolder: { path: published, sha256 },
      out: join(root, 'imports', `b5-2-float32-${sha256.slice(0, 16)}`),
    });
    await trainer.accept(base, { positions: 3, meanKl: 0, worstKl: 0 });
    expect(await trainer.prepare({ base, folder: folderOf('work'), probes })).toBeNull();
    expect(await trainerWith().prepare({ base, folder: folderOf('own'), probes })).toHaveLength(3);
    expect(importOf('own')).toMatchObject({ baseFolder: null });
  });

  test('is imported by one process at a time', async () => {
    const results = await Promise.all(
      ['one', 'two', 'three'].map((name) => trainerWith().prepare({ base, folder: folderOf(name), probes })),
    );
    expect(results.map((rows) => rows?.length)).toEqual([3, 3, 3]);
  });

  describe('that another process imports is waited for,', () => {
    const wait = (onPhase: (phase: string) => void, signal = new AbortController().signal) =>
      trainerWith().prepare({ base, folder: folderOf('work'), probes, onPhase, signal });
    let release: (() => void) | null;
    beforeEach(() => {
      mkdirSync(join(root, 'imports'));
      release = tryLock(join(root, 'imports', 'b5-2-float32.lock'));
    });

    test('with a word about who has it', async () => {
      const phases: string[] = [];
      const prepared = wait((phase) => {
        phases.push(phase);
        release?.();
      });
      expect(await prepared).toHaveLength(3);
      expect(phases).toEqual([`waiting for process ${process.pid}, which imports the same model`]);
    });

    test('unless one is asked to stop', async () => {
      const stop = new AbortController();
      await expect(wait(() => stop.abort(), stop.signal)).rejects.toThrow(Interrupted);
      release?.();
    });
  });

  test('that was damaged is removed, so that running again imports it', async () => {
    const imported = join(root, 'imports', 'b5-2-float32');
    mkdirSync(imported, { recursive: true });
    writeFileSync(join(imported, 'model.safetensors'), 'half');
    const error = await trainerWith({ refuse: 'bad-base' })
      .train(spec, { base, startFolder: '/peft', folder: folderOf('work'), probes, neutral })
      .catch((thrown) => thrown);
    expect(error).toBeInstanceOf(WorldError);
    expect(error).toMatchObject({ code: 'import-damaged', message: expect.stringContaining('It cannot be.') });
    expect(existsSync(imported)).toBe(false);
  });
});

describe('a training', () => {
  test('is asked for in one job with the rows beside it, and offline', async () => {
    const folder = folderOf('work');
    await trainerWith({}, { device: 'cpu' }).train(spec, { base, startFolder: '/peft', folder, probes, neutral });
    const read = (name: string) => readFileSync(join(folder, name), 'utf8');
    expect(JSON.parse(read('job.json'))).toEqual({
      version: 1,
      kind: 'sft',
      base: join(root, 'imports', 'b5-2-float32'),
      gguf: '/models/base.gguf',
      rows: 'rows.jsonl',
      workDir: '.',
      device: 'cpu',
      threads: 2,
      seed: 7,
      lora: { rank: 16, alpha: 32, dropout: 0, rsLora: false, topLayers: 10, targets: 'all' },
      startAdapter: '/peft',
      training: {
        method: 'sft',
        beta: null,
        steps: 1,
        batch: 12,
        microBatch: 6,
        learningRate: 0.002,
        warmupSteps: 0,
        schedule: 'constant',
        precision: 'float32',
        quantization: 'none',
        maxGradNorm: 1,
        weightDecay: 0,
        checkpointSteps: 25,
      },
      evaluation: { rows: 'held-out.jsonl', everySteps: 5, patience: 3, keep: 'best' },
      neutral: [{ ids: [9, 8], positions: [0] }],
      probe: [
        { ids: [1, 2, 3], positions: [0, 2] },
        { ids: [4, 5], positions: [1] },
      ],
    });
    expect(read('rows.jsonl')).toBe(
      '{"prompt_ids":[1,2],"completion_ids":[3]}\n{"prompt_ids":[4],"completion_ids":[5,6]}',
    );
    expect(read('held-out.jsonl')).toBe('{"prompt_ids":[7],"completion_ids":[8]}');
    expect(JSON.parse(read('environment.json'))).toMatchObject({
      HF_HUB_OFFLINE: '1',
      TRANSFORMERS_OFFLINE: '1',
      HF_HUB_DISABLE_TELEMETRY: '1',
      PYTHONPATH: expect.stringMatching(/python-trainer$/),
    });
  });

  test('gives the adapter, the way to go on from it, and what torch says at the probes and of the rows', async () => {
    const folder = folderOf('work');
    const losses: number[] = [];
    const trained = await trainerWith().train(spec, {
      base,
      startFolder: '/peft',
      folder,
      probes,
      neutral,
      onProgress: ({ loss }) => losses.push(loss),
    });
    expect(trained).toEqual({
      adapter: { sha256: 'a1', path: join(folder, 'adapter.gguf') },
      resumeFrom: join(folder, 'adapter'),
      probeBase: [Float32Array.of(-1, 0), Float32Array.of(-1, 2), Float32Array.of(-1, 1)],
      probeAdapter: [Float32Array.of(-2, 0), Float32Array.of(-2, 2), Float32Array.of(-2, 1)],
      steps: 1,
      keptStep: 1,
      rescored: [{ row: 0, promptIds: [1, 2], completionIds: [3], logProbabilities: [-0.5] }],
      losses: [{ step: 1, loss: 0.5 }],
      heldOutLosses: [{ step: 1, loss: 0.75 }],
      forgetting: { positions: 2, meanKl: 0.25, worstKl: 0.5 },
      supervisedTokens: 3,
      seconds: 3.5,
    });
    expect(losses).toEqual([0.5]);
  });

  test('that the trainer refuses fails the step', async () => {
    const options = { base, startFolder: '/peft', folder: folderOf('work'), probes, neutral };
    await expect(trainerWith({ refuse: 'no-rows' }).train(spec, options)).rejects.toThrow(StepError);
  });

  test('from an adapter needs its folder', async () => {
    const options = { base, startFolder: null, folder: folderOf('work'), probes, neutral };
    await expect(trainerWith().train(spec, options)).rejects.toThrow(TypeError);
  });
});

test('a pair is a line with both answers', () => {
  expect(rowLines([{ promptIds: [1, 2], completionIds: [3], rejectedIds: [4, 5] }])).toBe(
    '{"prompt_ids":[1,2],"chosen_ids":[3],"rejected_ids":[4,5]}',
  );
});

test('a micro batch is the largest that fits the limit and divides the batch', () => {
  expect([1, 7, 8, 12, 16, 11].map(microBatchOf)).toEqual([1, 7, 8, 6, 8, 1]);
  fc.assert(fc.property(fc.integer({ min: 1, max: 4096 }), (batch) => batch % microBatchOf(batch) === 0));
});

const base: BaseModel = {
  sha256: 'b5',
  path: '/models/base.gguf',
  name: 'base',
  architecture: 'llama',
  parameters: 1,
  layers: 3,
  vocabularySize: 2,
  trainedContextTokens: 64,
  fileType: 'F16',
};
const probes = [
  { ids: [1, 2, 3], positions: [0, 2] },
  { ids: [4, 5], positions: [1] },
];
const neutral = [{ ids: [9, 8], positions: [0] }];
const spec: TrainingSpec = {
  base: 'b5',
  startFrom: 'a0',
  rows: [
    { promptIds: [1, 2], completionIds: [3] },
    { promptIds: [4], completionIds: [5, 6] },
  ],
  lora: { rank: 16, alpha: 32, dropout: 0, rsLora: false, topLayers: 10, targets: 'all' },
  training: {
    method: 'sft',
    beta: null,
    steps: 1,
    batch: 12,
    learningRate: 0.002,
    warmupSteps: 0,
    schedule: 'constant',
    precision: 'float32',
    quantization: 'none',
  },
  evaluation: { rows: [{ promptIds: [7], completionIds: [8] }], everySteps: 5, patience: 3, keep: 'best' },
  seed: 7,
};
