import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ExampleFailure } from '../../src/core/failure.ts';
import { evaluationOf, type MetricResult, normalized, passes, type Row, toScore } from '../../src/core/metric.ts';

test.each<[MetricResult, object]>([
  [0.5, { value: 0.5 }],
  [true, { value: 1 }],
  [false, { value: 0 }],
  [{ score: 0.5 }, { value: 0.5 }],
  [
    { score: true, feedback: 'good' },
    { value: 1, feedback: 'good' },
  ],
  [
    { score: 0, feedback: 'almost' },
    { value: 0, feedback: 'almost' },
  ],
])('%j is a score', (result, score) => {
  expect(toScore(result)).toEqual(score);
});

test.each([
  [Number.NaN, 'NaN'],
  [Number.POSITIVE_INFINITY, 'Infinity'],
  ['1', '"1"'],
  [undefined, 'undefined'],
  [null, 'null'],
  [{ score: '1' }, '{"score":"1"}'],
  [{}, '{}'],
])('%j is not a score, and the message shows it', (result, shown) => {
  const failed = () => toScore(result as MetricResult);
  expect(failed).toThrow(
    new ExampleFailure({ kind: 'metric-error', message: `The metric returned ${shown}, not a finite number.` }),
  );
});

test('a score of 0 with feedback does not pass', () => {
  expect(passes(toScore({ score: 0, feedback: 'The team should be billing.' }), null)).toBe(false);
});

test('without a threshold anything above 0 passes', () => {
  expect([0.01, 0, -1].map((value) => passes({ value }, null))).toEqual([true, false, false]);
});

test('a threshold is reached by a score that equals it', () => {
  expect([0.49, 0.5, 0.51].map((value) => passes({ value }, 0.5))).toEqual([false, true, true]);
});

test('a threshold of 0 is not the same as none', () => {
  expect(passes({ value: 0 }, 0)).toBe(true);
});

test('the mean of an evaluation is over all rows, failed ones included', () => {
  const row = (value: number): Row => ({
    example: { id: 'x', inputs: {}, labels: {} },
    outputs: null,
    trace: [],
    score: { value },
    failure: value === 0 ? { kind: 'parse', message: 'no JSON' } : null,
  });
  const rows = [row(1), row(0), row(0.5), row(0.5)];
  expect(evaluationOf('c', rows)).toEqual({ candidate: 'c', rows, mean: 0.5 });
});

test('an empty evaluation has no mean', () => {
  expect(evaluationOf('c', [])).toEqual({ candidate: 'c', rows: [], mean: null });
});

test.each([
  ['  Billing\n', 'billing'],
  ['ＢＩＬＬＩＮＧ', 'billing'],
  ['e\u0301', '\u00e9'],
  [12, '12'],
  [true, 'true'],
  [null, 'null'],
  [undefined, ''],
  [{ a: ['X'] }, '{"a":["x"]}'],
])('%j is folded to %j', (value, folded) => {
  expect(normalized(value)).toBe(folded);
});

test('folding twice is folding once', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      expect(normalized(normalized(text))).toBe(normalized(text));
    }),
    { seed: 1 },
  );
});
