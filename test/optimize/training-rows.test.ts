import { describe, expect, test } from 'vitest';
import { candidateOf, type Program, predict } from '../../src/core/callable.ts';
import { mapPredictors } from '../../src/core/candidate.ts';
import { type Example, example } from '../../src/core/example.ts';
import type { Metric } from '../../src/core/metric.ts';
import { seededRng } from '../../src/core/rng.ts';
import { signature } from '../../src/core/signature.ts';
import { evenly, inTurn, labelOf } from '../../src/optimize/balance.ts';
import { bootstrapFinetune } from '../../src/optimize/bootstrap-finetune.ts';
import { optimizerContext } from '../support/optimizer-context.ts';
import { numbers, pairProgram, program, student } from '../support/parity-task.ts';
import { type ScriptedModel, scriptedModel } from '../support/scripted-model.ts';

const examples = (first: number, end: number): Example[] =>
  numbers(first, end).map(({ number, kind }) => example({ number }, { kind }));

type Settings = NonNullable<Parameters<typeof bootstrapFinetune>[0]>;
type AnyProgram = Pick<Program, 'structure' | 'drafts'>;

/** What a weight step orders for this program. */
async function ordered(model: ScriptedModel, given: AnyProgram, train: readonly Example[], settings: Settings) {
  const { context, orders } = optimizerContext(model, given.structure, { train, val: [] });
  await bootstrapFinetune(settings).optimize(candidateOf(given), context);
  return orders;
}

describe('of several attempts', () => {
  // The n-th attempt guesses the n-th letter; the second is worth more than the first, and as much as the third.
  const guesses = ['a', 'b', 'c', 'd'];
  const worth: { readonly [guess: string]: number } = { a: 0.4, b: 0.9, c: 0.9, d: 0 };
  const metric: Metric = (_, prediction) => worth[String(prediction.guess)] ?? 0;
  const guessing = () => scriptedModel(({ sampling }) => [guesses[sampling.seed] ?? 'd']);
  const train = ['1', '2'].map((number) => example({ number }));
  const kept = async (settings: Settings) => {
    const model = guessing();
    const given = predict(signature("number -> guess: 'a' | 'b' | 'c' | 'd'")).withLm(model);
    const [order] = await ordered(model, given, train, { attempts: 4, metric, ...settings });
    return { labels: order?.rows.map(({ label }) => label), dropped: order?.dropped, requests: model.requests.length };
  };

  test('the first good one is kept, and no more are made', async () => {
    expect(await kept({})).toMatchObject({
      labels: ['a', 'a'],
      requests: 2,
      dropped: { notGoodEnough: 0, notBest: 0 },
    });
  });

  test('the first that passes the threshold is kept, and the failed ones are counted', async () => {
    expect(await kept({ metricThreshold: 0.5 })).toMatchObject({
      labels: ['b', 'b'],
      requests: 4,
      dropped: { notGoodEnough: 2, notBest: 0 },
    });
  });

  test('best-of-n makes them all and keeps the best, ties to the first', async () => {
    expect(await kept({ keep: 'best-of-n' })).toMatchObject({
      labels: ['b', 'b'],
      requests: 8,
      dropped: { notGoodEnough: 2, notBest: 4 },
    });
  });

  test('best-of-n keeps none that does not pass', async () => {
    await expect(kept({ keep: 'best-of-n', metricThreshold: 0.95 })).rejects.toMatchObject({
      code: 'no-rows',
      message: expect.stringContaining('attempts not good enough: 8'),
    });
  });
});

describe('rows', () => {
  test('carry their predictor, their example, where they come from and their label', async () => {
    const model = student(() => 5);
    const [one, two] = [3, 7].map((number) => examples(number, number + 1)[0]!);
    const [order] = await ordered(model, program(model), [one!, two!], {});
    const known = order?.rows.map(({ predictor, example, from, label }) => [predictor, example, from, label]);
    expect(known?.toSorted()).toEqual(
      [
        ['predict', one!.id, 'bootstrapped', 'odd'],
        ['predict', two!.id, 'labelled', 'odd'],
      ].toSorted(),
    );
  });

  test('of several predictors carry the name of theirs, in one adapter for all or one for each', async () => {
    const model = student(() => 10);
    const names = async (multitask: boolean) =>
      (await ordered(model, pairProgram(model), examples(0, 2), { multitask })).map(({ rows }) =>
        rows.map(({ predictor }) => predictor).toSorted(),
      );
    expect(await names(true)).toEqual([['first', 'first', 'second', 'second']]);
    expect(await names(false)).toEqual([
      ['first', 'first'],
      ['second', 'second'],
    ]);
  });

  test('of predictors with different adapters begin afresh together, with a word about it', async () => {
    const model = student(() => 10);
    const given = pairProgram(model);
    const { context, orders, notices } = optimizerContext(model, given.structure, { train: examples(0, 2), val: [] });
    const trained = mapPredictors(candidateOf(given), (state, name) => ({
      ...state,
      model: { ...state.model, adapter: name },
    }));
    await bootstrapFinetune({ startFrom: 'adapter' }).optimize(trained, context);
    await bootstrapFinetune({ startFrom: 'adapter', multitask: false }).optimize(trained, context);
    expect(orders.map(({ startFrom }) => startFrom)).toEqual([null, 'first', 'second']);
    expect(notices).toEqual([expect.stringContaining('adapters-differ')]);
  });

  test('that are left out are counted under the reason', async () => {
    const model = student(() => 10);
    const twice = [...examples(0, 6), example({ number: '0' }, { kind: 'even', remark: 'the same again' })];
    const [order] = await ordered(model, program(model), twice, { rows: 'labelled', maxRows: 4 });
    expect(order?.dropped).toMatchObject({ duplicates: 1, surplus: 2, tooLong: 0 });
  });

  test('that do not fit the context are left out, not cut', async () => {
    const model = student(() => 10);
    const long = '1'.padStart(5000, '1');
    const [order] = await ordered(
      model,
      program(model),
      [...examples(0, 2), example({ number: long }, { kind: 'odd' })],
      {
        rows: 'labelled',
      },
    );
    expect(order?.rows).toHaveLength(2);
    expect(order?.dropped).toMatchObject({ tooLong: 1 });
  });

  test('with more tokens than a row may have are left out whole, and counted apart', async () => {
    const model = student(() => 10);
    const long = example({ number: '1'.padStart(60, '1') }, { kind: 'odd' });
    const train = [...examples(0, 4), long];
    const [whole] = await ordered(model, program(model), train, { rows: 'labelled' });
    const lengths = (await model.encode(whole!.rows)).map(
      ({ promptIds, completionIds }) => promptIds.length + completionIds.length,
    );
    const most = lengths.toSorted((a, b) => a - b)[3]!;
    const [order] = await ordered(model, program(model), train, { rows: 'labelled', maxRowTokens: most });
    expect([order?.rows.length, order?.dropped]).toMatchObject([4, { overLength: 1, tooLong: 0 }]);
  });

  test('from labels need every label', async () => {
    const model = student(() => 10);
    const [order] = await ordered(model, program(model), [...examples(0, 2), example({ number: '2' })], {
      rows: 'labelled',
    });
    expect([order?.rows.length, order?.dropped]).toMatchObject([2, { notLabelled: 1 }]);
  });

  test('none at all is an error that says why', async () => {
    const model = student(() => 0);
    await expect(
      ordered(model, program(model), examples(0, 3), { rows: 'bootstrapped', attempts: 2 }),
    ).rejects.toMatchObject({
      code: 'no-rows',
      message: 'No row to train on, of 3 train examples (attempts not good enough: 6).',
    });
  });
});

describe('balance', () => {
  const unequal = [...examples(0, 10), ...[12, 14, 16].flatMap((number) => examples(number, number + 1))];
  const labels = async (settings: Settings) => {
    const model = student(() => 10);
    const [order] = await ordered(model, program(model), unequal, { rows: 'labelled', ...settings });
    const odd = order?.rows.filter(({ label }) => label === 'odd').length;
    return { odd, even: (order?.rows.length ?? 0) - (odd ?? 0), unbalanced: order?.dropped.unbalanced };
  };

  test('is not asked for by default: every row is taken', async () => {
    expect(await labels({})).toEqual({ odd: 5, even: 8, unbalanced: 0 });
  });

  test('leaves out what a label has more than the rarest', async () => {
    expect(await labels({ balanced: true })).toEqual({ odd: 5, even: 5, unbalanced: 3 });
  });

  const item = (predictor: string, label: string | null, id: number) => ({ predictor, label, id });

  test('is kept within each predictor', () => {
    const items = [item('p', 'x', 1), item('p', 'x', 2), item('p', 'y', 3), item('q', null, 4), item('q', null, 5)];
    expect(evenly(items).map(({ id }) => id)).toEqual([1, 3, 4, 5]);
  });

  test('holds for any first rows when labels take turns', () => {
    const items = Array.from({ length: 30 }, (_, id) => item('p', id < 20 ? 'x' : 'y', id));
    const taken = inTurn(items, seededRng(0));
    expect(taken.slice(0, 20).filter(({ label }) => label === 'y')).toHaveLength(10);
    expect(taken.map(({ id }) => id).toSorted((a, b) => a - b)).toEqual(items.map(({ id }) => id));
  });

  test.each([
    ["text -> kind: 'a' | 'b'", { kind: 'a' }, 'a'],
    ["text -> kind: 'a' | 'b', urgent: bool, why", { kind: 'a', urgent: true, why: 'so' }, 'kind=a, urgent=true'],
    ['text -> why', { why: 'so' }, null],
  ])('goes by the outputs with a closed set of labels: %s', (text, outputs, label) => {
    expect(labelOf(signature(text), outputs)).toBe(label);
  });
});
