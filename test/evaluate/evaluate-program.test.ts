import { expect, test } from 'vitest';
import { candidateOf, predict } from '../../src/core/callable.ts';
import { withPredictor } from '../../src/core/candidate.ts';
import { InputError } from '../../src/core/errors.ts';
import { example } from '../../src/core/example.ts';
import { evaluate } from '../../src/evaluate/evaluate-program.ts';
import { exactMatch } from '../../src/evaluate/metrics.ts';
import { numbers, parity, program, student } from '../support/parity-task.ts';

const examples = numbers(0, 10).map(({ number, kind }) => example({ number }, { kind }));

test('a program is scored with the interval of its mean', async () => {
  const evaluation = await evaluate(program(student(() => 8)), examples, exactMatch());
  expect(evaluation.rows.map(({ score }) => score.value)).toEqual([1, 1, 1, 1, 1, 1, 1, 1, 0, 0]);
  expect(evaluation.score).toEqual({
    mean: 0.8,
    low: expect.closeTo(0.4902, 4),
    high: expect.closeTo(0.9433, 4),
    n: 10,
  });
});

test('how many examples are under way has no effect on the result', async () => {
  const at = (numThreads: number) => evaluate(program(student(() => 8)), examples, exactMatch(), { numThreads });
  expect(await at(1)).toEqual(await at(8));
});

test('progress is told', async () => {
  const seen: number[] = [];
  await evaluate(program(student(() => 10)), examples, exactMatch(), { onRow: (done) => seen.push(done) });
  expect(seen).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
});

test('errors beyond the tolerated ones are thrown', async () => {
  const broken = () => {
    throw new Error('no');
  };
  const route = program(student(() => 10));
  await expect(evaluate(route, examples, broken, { maxErrors: 3 })).rejects.toThrow('4 of the first 4 examples');
  expect((await evaluate(route, examples, broken, { maxErrors: 10 })).mean).toBe(0);
});

test('no examples are refused', async () => {
  await expect(evaluate(program(student(() => 10)), [], exactMatch())).rejects.toEqual(
    new InputError('examples-empty', ['There are no examples to evaluate on.'], 'Give at least one.'),
  );
});

test('a program without a model is refused', async () => {
  await expect(evaluate(predict(parity), examples, exactMatch())).rejects.toThrow(
    'The predictor "predict" has no model.',
  );
});

test('a model that the program lacks is a mistake, not a bad row', async () => {
  const route = program(student(() => 10));
  const foreign = withPredictor(candidateOf(route), 'predict', { model: { base: 'other', adapter: null } });
  await expect(evaluate(route.withCandidate(foreign), examples, exactMatch())).rejects.toThrow(
    new InputError('no-model', ['The program has no model for base other.'], 'Give it with withLm().'),
  );
});

test('a signal that was aborted stops it', async () => {
  const model = student(() => 10);
  const stopping = {
    ...model,
    generate: async (...[request, options]: Parameters<typeof model.generate>) => {
      options.signal?.throwIfAborted();
      return model.generate(request, options);
    },
  };
  const signal = AbortSignal.abort();
  await expect(evaluate(program(stopping), examples, exactMatch(), { signal })).rejects.toBe(signal.reason);
});
