import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { WorldError } from '../../src/core/errors.ts';
import { example } from '../../src/core/example.ts';
import { contentId, type Json } from '../../src/core/json.ts';
import { dataSetsOf } from '../../src/core/step-data-set.ts';
import type { Store } from '../../src/core/store.ts';
import type { Trainer } from '../../src/core/trainer.ts';
import { exactMatch } from '../../src/evaluate/metrics.ts';
import { bootstrapFinetune } from '../../src/optimize/bootstrap-finetune.ts';
import { betterTogetherOver } from '../../src/run/better-together.ts';
import { sqliteStore } from '../../src/store/sqlite-store.ts';
import { numbers, pairProgram, program, student } from '../support/parity-task.ts';
import { scriptedTrainer } from '../support/scripted-trainer.ts';

let folder: string;
let store: Store;
const path = () => join(folder, 'runs.sqlite');

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'better-together-data-set-'));
  store = sqliteStore(path());
});
afterEach(() => {
  store.close();
  rmSync(folder, { recursive: true, force: true });
});

const labelled = (first: number, end: number) =>
  numbers(first, end).map(({ number, kind }) => example({ number }, { kind }));

interface Options {
  readonly of?: typeof program | typeof pairProgram;
  readonly multitask?: boolean;
  readonly heldOut?: number;
  readonly method?: 'sft' | 'dpo';
  readonly strategy?: string;
  readonly startFrom?: 'base' | 'adapter';
}

function start(trainer: Trainer, options: Options = {}) {
  const { of = program, multitask = true, heldOut = 0, method = 'sft', strategy = 'w', startFrom = 'base' } = options;
  const together = betterTogetherOver({
    version: 'test',
    concurrency: 4,
    now: () => 0,
    openStore: () => store,
    trainer: () => trainer,
    onNetworkAttempt: () => () => {},
    optimizers: () => ({ p: bootstrapFinetune(), w: bootstrapFinetune() }),
  });
  const w = bootstrapFinetune({ multitask, heldOut, method, startFrom });
  return together({ metric: exactMatch(), optimizers: { w } }).compile(of(student(() => 5)), {
    trainset: labelled(0, 12),
    valset: labelled(12, 16),
    strategy,
    store,
  });
}

const idsInStore = (): string[] => {
  const database = new Database(path(), { readonly: true });
  const rows = database.prepare('SELECT id FROM data_set').all() as { id: string }[]; // `as`: the column that is named
  database.close();
  return rows.map(({ id }) => id);
};

test('is what was trained on, token for token, under the hash of its content', async () => {
  const trainer = scriptedTrainer();
  const { summary } = await start(trainer);
  const [known] = summary.dataSets;
  const dataSet = store.dataSet(known!.id)!;
  expect(dataSet.rows.map(({ promptIds, completionIds }) => ({ promptIds, completionIds }))).toEqual(
    trainer.specs[0]?.rows,
  );
  // `as`: a data set is plain data.
  expect(contentId(dataSet as unknown as Json)).toBe(known!.id);
  const [row] = dataSet.rows;
  expect(row!.texts.slice(row!.promptIds.length).join('')).toBe(row!.pieces.slice(row!.given).join(''));
});

test('is on record in figures, in the event and in the summary', async () => {
  const trainer = scriptedTrainer();
  const { summary } = await start(trainer);
  const rows = trainer.specs[0]!.rows;
  const supervised = rows.reduce((sum, { completionIds }) => sum + completionIds.length, 0);
  expect(summary.dataSets).toMatchObject([
    {
      step: 1,
      key: 'w',
      rows: 12,
      from: { bootstrapped: 7, labelled: 5 },
      supervisedTokens: supervised,
      predictors: { predict: { rows: 12, labels: { odd: 6, even: 6 } } },
      dropped: { notGoodEnough: 5 },
    },
  ]);
  expect(dataSetsOf(store.events(summary.run))).toEqual(summary.dataSets);
});

test('has the rows that are held out, which are trained on by nobody, and the training has their loss', async () => {
  const trainer = scriptedTrainer();
  const { summary } = await start(trainer, { heldOut: 0.25 });
  const rows = store.dataSet(summary.dataSets[0]!.id)!.rows;
  const ids = (heldOut: true | undefined) =>
    rows.filter((row) => row.heldOut === heldOut).map(({ promptIds, completionIds }) => ({ promptIds, completionIds }));
  const [spec] = trainer.specs;
  expect([spec?.rows, spec?.evaluation?.rows]).toEqual([ids(undefined), ids(true)]);
  expect(summary.dataSets).toMatchObject([{ rows: 9, heldOut: 3 }]);
  expect(summary.trainings).toEqual([
    {
      step: 1,
      key: 'w',
      adapter: expect.any(String),
      steps: 1,
      finalLoss: 0.5,
      method: 'sft',
      startFrom: null,
      keptStep: 1,
      heldOut: { rows: 3, losses: [{ step: 1, loss: 0.75 }] },
      forgetting: { positions: 1, meanKl: 0.25, worstKl: 0.5 },
    },
  ]);
});

test('has both answers of a pair, whose tokens are trained on and whose texts are kept', async () => {
  const trainer = scriptedTrainer();
  const { summary } = await start(trainer, { method: 'dpo' });
  const rows = store.dataSet(summary.dataSets[0]!.id)!.rows;
  expect(trainer.specs[0]?.rows).toEqual(
    rows.map(({ promptIds, completionIds, rejectedIds }) => ({ promptIds, completionIds, rejectedIds })),
  );
  // Right on digits below 5: on the others the label is to gain on the wrong answer.
  expect(summary.dataSets).toMatchObject([{ rows: 5, pairs: 5, dropped: { unpaired: 7 } }]);
  for (const { given, pieces, rejected, rejectedTexts, label } of rows) {
    expect(rejectedTexts?.join('')).toBe(rejected?.slice(given).join(''));
    expect([pieces[given], rejected?.[given]]).toEqual(label === 'odd' ? ['odd', 'even'] : ['even', 'odd']);
  }
  expect(trainer.specs[0]?.training).toMatchObject({ method: 'dpo', beta: 0.1 });
});

test('tells a training that went on from the adapter before it from one that began afresh', async () => {
  const startsOf = async (startFrom: 'base' | 'adapter') => {
    const { summary } = await start(scriptedTrainer(), { strategy: 'w -> w', startFrom });
    const [first, second] = summary.trainings ?? [];
    return { second: second?.startFrom, isFirst: second?.startFrom === first?.adapter, first: first?.startFrom };
  };
  expect(await startsOf('base')).toEqual({ first: null, second: null, isFirst: false });
  expect(await startsOf('adapter')).toEqual({ first: null, second: expect.any(String), isFirst: true });
});

test('is stored once, and is the same when a run goes on that was stopped in its training', async () => {
  const stopped = scriptedTrainer({
    onTrain: () => {
      throw new WorldError('gpu-lost', 'The GPU is gone.', 'Start again.');
    },
  });
  await expect(start(stopped)).rejects.toThrow('The GPU is gone.');
  const before = idsInStore();
  const { summary } = await start(scriptedTrainer());
  expect(before).toHaveLength(1);
  expect(idsInStore()).toEqual(before);
  expect(summary.dataSets.map(({ id }) => id)).toEqual(before);
});

test('is there for each adapter of a step', async () => {
  const { summary } = await start(scriptedTrainer(), { of: pairProgram, multitask: false });
  expect(summary.dataSets.map(({ step, predictors }) => [step, Object.keys(predictors)])).toEqual([
    [1, ['first']],
    [1, ['second']],
  ]);
  expect(idsInStore().toSorted()).toEqual(summary.dataSets.map(({ id }) => id).toSorted());
});
