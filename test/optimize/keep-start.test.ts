import { describe, expect, test } from 'vitest';
import { candidateOf, predict } from '../../src/core/callable.ts';
import { example } from '../../src/core/example.ts';
import type { Metric } from '../../src/core/metric.ts';
import { bootstrapFewShot } from '../../src/optimize/bootstrap-few-shot.ts';
import { labeledFewShot } from '../../src/optimize/labeled-few-shot.ts';
import { type ContextOptions, optimizerContext } from '../support/optimizer-context.ts';
import { numbers, parity, program, student } from '../support/parity-task.ts';
import { answered } from '../support/responses.ts';
import { scriptedModel } from '../support/scripted-model.ts';

const examples = (first: number, end: number) =>
  numbers(first, end).map(({ number, kind }) => example({ number }, { kind }));

/** A student of one skill without demos and another one with them, and what an optimizer sees of it. */
function setting(skills: { readonly bare: number; readonly shown: number }, options: Partial<ContextOptions> = {}) {
  const model = student(({ prompt }) => (prompt.turns.length > 0 ? skills.shown : skills.bare));
  const { structure } = program(model);
  const made = optimizerContext(model, structure, { train: examples(0, 20), val: examples(40, 60), ...options });
  return { ...made, model, start: candidateOf(program(model)) };
}

const numbersAsked = (model: ReturnType<typeof student>) => new Set(model.requests.map(({ prompt }) => prompt.user));
const numbersIn = (rows: readonly { readonly number: string }[]) => new Set(rows.map(({ number }) => number));

describe.each([
  ['labeledFewShot', labeledFewShot({ k: 4 }), 'labelled demos'],
  ['bootstrapFewShot', bootstrapFewShot({ maxLabeledDemos: 4 }), 'bootstrapped demos'],
])('%s', (_, optimizer, note) => {
  test('returns its start when demos hurt, and says so', async () => {
    const { context, notices, start } = setting({ bare: 6, shown: 2 });
    expect(await optimizer.optimize(start, context)).toEqual({
      candidate: start,
      trials: [
        { candidate: start, score: 0.6, note: 'start' },
        { candidate: expect.anything(), score: 0.2, note },
      ],
    });
    expect(notices).toEqual(['start-kept']);
  });

  test('returns its start when demos only tie', async () => {
    const { context, start } = setting({ bare: 5, shown: 5 });
    expect((await optimizer.optimize(start, context)).candidate).toBe(start);
  });

  test('returns demos that help', async () => {
    const { context, notices, proposed, start } = setting({ bare: 5, shown: 8 });
    const { candidate, trials } = await optimizer.optimize(start, context);
    expect(candidate.predictors.predict?.demos).toHaveLength(4);
    expect(trials.map(({ score }) => score)).toEqual([0.5, 0.8]);
    expect(proposed.at(-1)).toEqual({ candidate, note });
    expect(notices).toEqual([]);
  });

  test('returns whatever it made with keepStart: false, and judges nothing', async () => {
    const { context, notices, model, start } = setting({ bare: 6, shown: 2 });
    const { candidate, trials } = await optimizer.with({ keepStart: false }).optimize(start, context);
    expect(candidate.predictors.predict?.demos).toHaveLength(4);
    expect(trials).toEqual([{ candidate, score: null, note }]);
    expect([...numbersAsked(model)].filter((number) => Number(number) >= 40)).toEqual([]);
    expect(notices).toEqual([]);
  });

  test('judges by its own metric', async () => {
    const { context, start } = setting({ bare: 6, shown: 2 });
    const wrong: Metric = ({ labels }, { kind }) => labels.kind !== kind;
    const { candidate, trials } = await optimizer.with({ metric: wrong }).optimize(start, context);
    expect(trials.map(({ score }) => score)).toEqual([0.4, 0.8]);
    expect(candidate.predictors.predict?.demos).toHaveLength(4);
  });

  test('plans the calls of the comparison', () => {
    const sizes = { train: 20, val: 10, predictors: 2 };
    const without = optimizer.with({ keepStart: false }).expectedCalls(sizes);
    expect(optimizer.expectedCalls(sizes) - without).toBe(40);
    expect(optimizer.expectedCalls({ ...sizes, val: 0 }) - without).toBe(80);
  });
});

describe('the comparison', () => {
  const firstTwo = labeledFewShot({ k: 2, sample: false });

  test('is made on the train rows that are no demos when there is no val split', async () => {
    const { context, model, start } = setting({ bare: 5, shown: 8 }, { train: examples(0, 10), val: [] });
    const { trials } = await firstTwo.optimize(start, context);
    expect(numbersAsked(model)).toEqual(numbersIn(numbers(2, 10)));
    expect(trials.map(({ score }) => score)).toEqual([3 / 8, 6 / 8]);
  });

  test('is made without an example in its own prompt when every train row is a demo', async () => {
    const model = student(({ prompt }) => (prompt.turns.some(({ user }) => user === prompt.user) ? 10 : 5));
    const { context } = optimizerContext(model, program(model).structure, { train: examples(0, 10), val: [] });
    const start = candidateOf(program(model));
    const { trials } = await labeledFewShot({ k: 10 }).optimize(start, context);
    expect(trials.map(({ score }) => score)).toEqual([0.5, 0.5]);
  });

  test('keeps the start where there is nothing to compare on', async () => {
    const { context, notices, start } = setting({ bare: 5, shown: 8 }, { train: [], val: [] });
    expect(await firstTwo.optimize(start, context)).toEqual({ candidate: start, trials: [] });
    expect(notices).toEqual(['start-kept']);
  });

  test('ends as soon as the demos can no longer win', async () => {
    const { context, model, start } = setting({ bare: 9, shown: 0 }, { val: examples(100, 200) });
    const { trials } = await firstTwo.optimize(start, context);
    expect(trials.map(({ score }) => score)).toEqual([0.9, null]);
    expect(model.requests).toHaveLength(100 + 32);
  });

  test.each([0, 19, 20, 39])('keeps the start when a budget of %i calls does not suffice', async (maxCalls) => {
    const { context, notices, start } = setting({ bare: 5, shown: 8 }, { maxCalls });
    expect((await firstTwo.optimize(start, context)).candidate).toBe(start);
    expect(notices).toEqual(['budget-ends-search', 'start-kept']);
  });

  test('calibrates the demos of a calibrated start anew, since priors belong to a prompt', async () => {
    // Always right; surer of "odd" without demos, of "even" with them.
    const model = scriptedModel(({ answer, choice, prompt }) => {
      const probabilities = prompt.turns.length > 0 ? [0.2, 0.8] : [0.8, 0.2];
      const pieces = answer!.map((part) => (part.type === 'text' ? part.text : 'even'));
      const outcome = { confidence: 0.8, probabilities: choice === 'greedy' ? null : probabilities };
      return answered(pieces, { choices: answer!.map((part) => (part.type === 'choice' ? outcome : null)) });
    });
    const calibrated = predict(parity, { choice: { priors: { kind: [0.8, 0.2] } } }).withLm(model);
    const { context } = optimizerContext(model, calibrated.structure, {
      train: examples(0, 20),
      val: examples(40, 60),
    });
    const { trials } = await firstTwo.optimize(candidateOf(calibrated), context);
    expect(trials[1]!.candidate.predictors.predict?.choice).toEqual({
      priors: { kind: [expect.closeTo(0.2), expect.closeTo(0.8)] },
    });
  });
});
