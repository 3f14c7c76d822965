import { expect, test } from 'vitest';
import { candidateOf } from '../../src/core/callable.ts';
import { mapPredictors } from '../../src/core/candidate.ts';
import { StepError } from '../../src/core/errors.ts';
import { example } from '../../src/core/example.ts';
import { watchBest } from '../../src/run/best-so-far.ts';
import { optimizerContext } from '../support/optimizer-context.ts';
import { numbers, program, student } from '../support/parity-task.ts';

const spent = new StepError('budget-spent', 'The budget is spent.', 'Raise it.');

/** A step on twenty val rows, where the digit in the instructions says how many last digits are answered rightly. */
function step() {
  const model = student(({ prompt }) => Number(/[0-9]/.exec(prompt.system)?.[0] ?? 0));
  const { structure } = program(model);
  const rows = (first: number, end: number) =>
    numbers(first, end).map(({ number, kind }) => example({ number }, { kind }));
  const val = rows(20, 40);
  const { context, notices } = optimizerContext(model, structure, { train: rows(0, 20), val });
  const start = candidateOf(program(model));
  const skilled = (digit: number) => mapPredictors(start, (state) => ({ ...state, instructions: `Skill ${digit}.` }));
  return { ...watchBest(context), val, notices, skilled };
}

test('the best on all val rows is the result, ties to the earlier, whether it was asked at once or in parts', async () => {
  const { context, bestWhenSpent, val, notices, skilled } = step();
  context.propose(skilled(5), [skilled(3)], 'in parts');
  await context.evaluate(skilled(3), val);
  await context.evaluate(skilled(5), val.slice(0, 12));
  await context.evaluateAll([skilled(5)], val.slice(12));
  await context.evaluate(
    mapPredictors(skilled(5), (state) => ({ ...state, instructions: 'Also 5.' })),
    val,
  );
  const { candidate, trials } = bestWhenSpent(spent);
  expect(candidate).toEqual(skilled(5));
  expect(trials.map(({ score, note }) => [score, note])).toEqual([
    [0.3, 'start'],
    [0.5, 'in parts'],
    [0.5, 'start'],
  ]);
  expect(notices).toEqual(['budget-ends-search']);
});

test('neither a part of val, nor train, nor a sampled attempt is a judgement', async () => {
  const { context, bestWhenSpent, val, skilled } = step();
  await context.evaluate(skilled(9), val.slice(1));
  await context.evaluate(skilled(9), context.train);
  await context.evaluate(skilled(9), val, { attempt: { temperature: 1, seed: 1 } });
  expect(() => bestWhenSpent(spent)).toThrow(spent);
});

test('any other error stays what it is', async () => {
  const { context, bestWhenSpent, val, skilled } = step();
  await context.evaluate(skilled(3), val);
  const other = new StepError('no-rows', 'No rows.', 'Label some.');
  expect(() => bestWhenSpent(other)).toThrow(other);
});
