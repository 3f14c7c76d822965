import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { planRun, type RunFlags } from '../../src/cli/plan-run.ts';
import { InputError, StepError } from '../../src/core/errors.ts';
import { readBaseFolder } from '../../src/trainer/base-folder.ts';
import { python } from '../support/trainer-jobs.ts';

// How the weights that are trained on are chosen on the command line and in experiment files.

const checkout = resolve(import.meta.dirname, '../..');
let root: string;
let untested: string;
let published: string;
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'better-together-importing-'));
  symlinkSync(join(checkout, 'node_modules'), join(root, 'node_modules'), 'junction');
  await python('tiny_architectures.py', root);
  untested = join(root, 'gemma2.gguf');
  published = join(root, 'published');
  mkdirSync(published);
  writeFileSync(join(published, 'config.json'), '{}');
  writeFileSync(join(published, 'model.safetensors'), 'weights');
  const rows = ['a', 'b'].map((kind) => JSON.stringify({ text: kind, kind, split: 'train' }));
  writeFileSync(join(root, 'rows.jsonl'), rows.join('\n'));
}, 600_000);
afterAll(() => rmSync(root, { recursive: true }));

const flags = (given: Partial<RunFlags> = {}): RunFlags => ({
  data: join(root, 'rows.jsonl'),
  splitColumn: 'split',
  valRatio: 0,
  testRatio: 0,
  signature: "text -> kind: 'a' | 'b'",
  predictor: 'predict',
  chatFormat: 'json',
  decoding: 'constrained',
  metric: 'exact-match',
  model: untested,
  optimizer: [],
  set: [],
  device: 'cpu',
  threads: 1,
  ...given,
});

function experimentFile(...settings: readonly string[]): string {
  const path = join(root, 'experiment.ts');
  const lines = [
    `import { predict } from '${checkout}/src/core/callable.ts';`,
    `import { signature } from '${checkout}/src/core/signature.ts';`,
    `import { exactMatch } from '${checkout}/src/evaluate/metrics.ts';`,
    'export default {',
    `  program: predict(signature("text -> kind: 'a' | 'b'")),`,
    '  metric: exactMatch(),',
    "  data: 'rows.jsonl',",
    "  model: 'gemma2.gguf',",
    ...settings,
    '};',
  ];
  writeFileSync(path, lines.join('\n'));
  return path;
}

/** Imports the model of a planned run, or says why not. */
async function imported(file: string | undefined, given: RunFlags): Promise<unknown> {
  const { lm, options } = await planRun(file, given);
  const probes = [{ ids: [1, 5, 9], positions: [2] }];
  const folder = mkdtempSync(join(root, 'work-'));
  return options.trainer!.prepare({ base: lm.base, folder, probes }).catch((error: unknown) => error);
}

test('an architecture that was never compared with llama.cpp is refused, and the message says how to try it', async () => {
  const refusal = await imported(undefined, flags());
  expect(refusal).toBeInstanceOf(StepError);
  expect(refusal).toMatchObject({
    code: 'unsupported-architecture',
    hint: expect.stringContaining('--allow-untested-architecture'),
  });
}, 240_000);

test.each([
  ['a flag', () => undefined, { allowUntestedArchitecture: true }],
  ['an experiment file', () => experimentFile('  allowUntestedArchitecture: true,'), {}],
])(
  '%s lets it be imported, for the gates to decide',
  async (_, file, given) => {
    expect(await imported(file(), flags(given))).toEqual([expect.any(Float32Array)]);
  },
  600_000,
);

test.each([
  ['a flag', () => undefined, () => ({ baseFolder: published })],
  [
    'an experiment file, which names it from where it stands',
    () => experimentFile("  baseFolder: 'published',"),
    () => ({}),
  ],
])('a folder with the weights, named by %s, reaches the trainer and makes another run', async (_, file, given) => {
  const { options } = await planRun(file(), flags(given()));
  const { sha256 } = await readBaseFolder(published);
  expect((await options.trainer!.identity()).baseFolder).toBe(sha256);
  expect(options.sources).toContain(sha256);
});

test('a folder that is none is refused before anything is opened', async () => {
  await expect(planRun(undefined, flags({ baseFolder: join(root, 'nowhere') }))).rejects.toThrow(InputError);
});
