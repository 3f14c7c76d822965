import { expect, test } from 'vitest';
import { candidateOf, type Program, predict } from '../../src/core/callable.ts';
import { type Example, example } from '../../src/core/example.ts';
import type { Metric } from '../../src/core/metric.ts';
import { signature } from '../../src/core/signature.ts';
import { bootstrapFinetune } from '../../src/optimize/bootstrap-finetune.ts';
import { optimizerContext } from '../support/optimizer-context.ts';
import { pairProgram } from '../support/parity-task.ts';
import { type ScriptedModel, scriptedModel } from '../support/scripted-model.ts';

type Settings = NonNullable<Parameters<typeof bootstrapFinetune>[0]>;
type AnyProgram = Pick<Program, 'structure' | 'drafts'>;

async function ordered(model: ScriptedModel, given: AnyProgram, train: readonly Example[], settings: Settings) {
  const { context, orders } = optimizerContext(model, given.structure, { train, val: [] });
  await bootstrapFinetune({ method: 'dpo', ...settings }).optimize(candidateOf(given), context);
  return orders[0]!;
}

// The n-th attempt guesses the n-th letter: b is the best, d the worst.
const worth: { readonly [guess: string]: number } = { a: 0.2, b: 0.9, c: 0.6, d: 0 };
const metric: Metric = (_, prediction) => worth[String(prediction.guess)] ?? 0;
const guessing = (guesses: readonly string[] = ['a', 'b', 'c', 'd']) =>
  scriptedModel(({ sampling }) => [guesses[sampling.seed] ?? 'd']);
const guess = signature("number -> guess: 'a' | 'b' | 'c' | 'd'");
const answersOf = async (model: ScriptedModel, settings: Settings, labels: { guess?: string } = {}) => {
  const train = [example({ number: '1' }, labels)];
  const given = predict(guess).withLm(model);
  const { rows, dropped } = await ordered(model, given, train, { metric, metricThreshold: 0.5, ...settings });
  return { pairs: rows.map(({ pieces, rejected, given = 0 }) => [pieces[given], rejected?.[given]]), dropped };
};

test('a pair is the best good attempt and the worst failed one', async () => {
  const { pairs } = await answersOf(guessing(), { attempts: 4, keep: 'best-of-n' });
  expect(pairs).toEqual([['b', 'd']]);
});

test('a pair is the first good attempt and the worst before it, where no more are made', async () => {
  expect((await answersOf(guessing(), { attempts: 4 })).pairs).toEqual([['b', 'a']]);
});

test('a label gains on the worst attempt, where that is all that is good', async () => {
  expect((await answersOf(guessing(['a', 'd']), { attempts: 2 }, { guess: 'c' })).pairs).toEqual([['c', 'd']]);
  expect((await answersOf(guessing(), { rows: 'labelled', attempts: 2 }, { guess: 'c' })).pairs).toEqual([['c', 'a']]);
});

test('an answer without a failed one beside it is counted, and none with is an error that says what to do', async () => {
  await expect(answersOf(guessing(['b', 'b']), { attempts: 2 })).rejects.toMatchObject({
    code: 'no-pairs',
    message:
      'No pair of a good and a failed answer to the same question, of 1 train examples (answers without a failed one beside them: 1).',
    hint: expect.stringContaining('attempts: 4'),
  });
});

test('a predictor that answered both times alike has no pair, and one that was asked something else has none', async () => {
  // The first predictor errs in the first attempt; the second answers what it is told by the first.
  const model = scriptedModel(({ sampling }) => [sampling.seed === 0 ? 'odd' : 'even']);
  const given = pairProgram(model);
  const { rows } = await ordered(model, given, [example({ number: '2' }, { kind: 'even' })], { attempts: 2 });
  expect(rows.map(({ predictor }) => predictor).toSorted()).toEqual(['first', 'second']);
  const steady = scriptedModel(({ sampling }) => ['odd', 'even'].slice(sampling.seed));
  await expect(
    ordered(steady, pairProgram(steady), [example({ number: '1' }, { kind: 'odd' })], { attempts: 1 }),
  ).rejects.toMatchObject({ code: 'no-pairs' });
});

test('rejected answers count for the length of a row', async () => {
  const long = 'very long indeed '.repeat(20).trim();
  const say = signature(`number -> word: 'short' | '${long}'`);
  const model = scriptedModel(({ sampling }) => [sampling.seed === 0 ? long : 'short']);
  const shortIsRight: Metric = (_, { word }) => word === 'short';
  const train = [example({ number: '1' })];
  const limited = (maxRowTokens: number) =>
    ordered(model, predict(say).withLm(model), train, { metric: shortIsRight, attempts: 2, maxRowTokens });
  const { rows } = await limited(4000);
  const [chosen] = await model.encode(rows);
  const fits = chosen!.promptIds.length + chosen!.completionIds.length;
  await expect(limited(fits)).rejects.toMatchObject({ message: expect.stringContaining('may have: 1') });
});

test.each([
  [{ beta: 0.2, method: 'sft' }, 'beta 0.2: about method "dpo", and the method is "sft".'],
  [{ rows: 'distilled' }, 'method "dpo" needs failed attempts, and rows "distilled" takes every answer as it is.'],
] as const)('%j cannot have an effect, and is refused', (settings, message) => {
  expect(() => bootstrapFinetune({ method: 'dpo', ...settings })).toThrow(message);
});
