import { copyFileSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { StepError } from '../../src/core/errors.ts';
import type { Store } from '../../src/core/store.ts';
import type { Trained, Trainer } from '../../src/core/trainer.ts';
import { type LocalModel, localModel } from '../../src/lm/llama/local-model.ts';
import { sqliteStore } from '../../src/store/sqlite-store.ts';
import { sha256OfFile } from '../../src/system/files.ts';
import { pythonProgram, trainerSource } from '../../src/system/folders.ts';
import { pythonTrainer } from '../../src/trainer/python-trainer.ts';
import { damagedFile, type Fault, faultyTrainer, replacedBy, retokenizing } from '../support/faulty-trainer.ts';
import { ticketOrder, weightStep } from '../support/real-weight-step.ts';

// Weight steps on a tiny random model, with the real trainer and the real runtime, and with one thing wrong.

const shape = { heads: 4, kvHeads: 2 };
const otherTemplate =
  "{% for message in messages %}{{ '<|begin|>' + message['role'] + ': ' + message['content'] + '\n' }}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<|begin|>assistant: ' }}{% endif %}";

let root: string;
let store: Store;
let trainer: Trainer;
let model: LocalModel;
let otherBase: LocalModel;
/** What a training on the other base gave. */
let foreign: Trained;

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'better-together-faults-'));
  store = sqliteStore(join(root, 'runs.sqlite'));
  trainer = pythonTrainer({ device: 'cpu', threads: 1, imports: join(root, 'imports') });
  model = await tinyModel('tiny');
  otherBase = await tinyModel('other', '--seed', '1');
  const watched = faultyTrainer(trainer, async (trained) => {
    foreign = { ...trained, adapter: { ...trained.adapter, path: join(root, 'foreign.gguf') } };
    copyFileSync(trained.adapter.path, foreign.adapter.path);
    return trained;
  });
  await weightStep(ticketOrder(otherBase.base.sha256), { model: otherBase, trainer: watched, store });
}, 600_000);
afterAll(async () => {
  await model.release();
  await otherBase.release();
  store.close();
  rmSync(root, { recursive: true });
});

async function tinyModel(name: string, ...options: readonly string[]): Promise<LocalModel> {
  const path = join(root, `${name}.gguf`);
  await execa(pythonProgram(), [join(trainerSource(), 'tests', 'tiny_model.py'), path, ...options]);
  return localModel({ gguf: path, device: 'cpu', threads: 1, sequences: 1, contextTokens: 2048 });
}

const faults: readonly (readonly [string, string, () => Fault])[] = [
  ['rows of q and k in the order of torch', 'gate-adapter', () => damagedFile('unpermuted', shape)],
  ['half its alpha', 'gate-adapter', () => damagedFile('halved-alpha', shape)],
  ['its first layer missing', 'gate-adapter', () => damagedFile('first-layer-missing', shape)],
  ['its last layer missing', 'gate-adapter', () => damagedFile('last-layer-missing', shape)],
  ['the file of an adapter for another base', 'gate-adapter', () => replacedBy(() => foreign.adapter.path)],
];

test.each(faults)(
  'an adapter with %s is refused by the %s',
  async (_, code, fault) => {
    const refusal = await refusalOf(faultyTrainer(trainer, fault()));
    expect(refusal.code).toBe(code);
  },
  600_000,
);

test('an adapter that was trained on another base is refused by the base gate', async () => {
  const refusal = await refusalOf(faultyTrainer(trainer, async () => foreign));
  expect(refusal.code).toBe('gate-base');
}, 600_000);

test('an adapter that was trained under another template is refused by the rows gate, with the first row and token that differ', async () => {
  await using other = await tinyModel('template', '--chat-template', otherTemplate);
  const order = ticketOrder(model.base.sha256);
  const refusal = await refusalOf(
    retokenizing(trainer, () => other.encode(order.rows)),
    4,
  );
  expect(refusal.code).toBe('gate-rows');
  expect(refusal.message).toMatch(
    /row 1 has \d+ tokens in training and \d+ when served, and they differ from token 0 on/,
  );
  expect(refusal.hint).toContain('another chat template');
}, 600_000);

test('the right adapter passes all gates, is kept, and is remembered', async () => {
  const { adapter, events } = await weightStep(ticketOrder(model.base.sha256), {
    model,
    trainer: faultyTrainer(trainer, async (trained) => trained),
    store,
  });
  expect(existsSync(store.file('adapter', adapter)!)).toBe(true);
  const gates = events.filter(({ type }) => type === 'gate' || type === 'rows-rescored');
  expect(gates).toHaveLength(4);
  const again = await weightStep(ticketOrder(model.base.sha256), { model, trainer: untrained, store });
  expect(again).toEqual({ adapter, events });
}, 600_000);

// -----------------------------------------------------------------------------

/** Takes the step, which must fail; what it refuses must lie where the message says, and nowhere that is served from. */
async function refusalOf(faulty: Trainer, seed = 0): Promise<StepError> {
  const before = served();
  const refusal = await weightStep(ticketOrder(model.base.sha256, { seed }), { model, trainer: faulty, store }).then(
    () => expect.fail('it was served'),
    (error: unknown) => error,
  );
  if (!(refusal instanceof StepError)) throw refusal;
  const [, kept] = /kept as (\S+) in the folder/.exec(refusal.hint) ?? [];
  expect(await sha256OfFile(join(root, 'runs.sqlite.files', kept!))).toMatch(/^[0-9a-f]{64}$/);
  expect(served()).toEqual(before);
  return refusal;
}

const served = (): string[] => readdirSync(join(root, 'runs.sqlite.files', 'adapters')).toSorted();

const untrained: Trainer = {
  identity: () => trainer.identity(),
  prepare: () => expect.fail('it was prepared again'),
  accept: () => expect.fail('it was accepted again'),
  train: () => expect.fail('it was trained again'),
  merge: () => expect.fail('it was merged'),
  reference: () => expect.fail('it was read back'),
};
