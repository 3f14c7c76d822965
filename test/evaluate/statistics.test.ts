import fc from 'fast-check';
import { expect, test } from 'vitest';
import { scoreInterval } from '../../src/evaluate/statistics.ts';

const rightAndWrong = (right: number, n: number): number[] => Array.from({ length: n }, (_, i) => Number(i < right));

// Newcombe (1998), "Two-sided confidence intervals for the single proportion", table I, method 3.
test.each([
  [81, 263, 0.2553, 0.3662],
  [15, 148, 0.0624, 0.1605],
  [0, 20, 0, 0.1611],
  [1, 29, 0.0061, 0.1718],
])("%i of %i right has Wilson's interval", (right, n, low, high) => {
  expect(scoreInterval(rightAndWrong(right, n))).toEqual({
    mean: right / n,
    low: expect.closeTo(low, 4),
    high: expect.closeTo(high, 4),
    n,
  });
});

test('all right reaches up to 1, exactly', () => {
  expect(scoreInterval(rightAndWrong(20, 20))).toEqual({ mean: 1, low: expect.closeTo(1 - 0.1611, 4), high: 1, n: 20 });
});

test('no scores have no interval', () => {
  expect(scoreInterval([])).toBe(null);
});

test('one score has an interval', () => {
  expect(scoreInterval([1])).toEqual({ mean: 1, low: expect.closeTo(0.2065, 4), high: 1, n: 1 });
});

test('scores beyond [0, 1] have the normal interval', () => {
  // Mean 3, variance 2.5: 3 ± 1.96 · sqrt(2.5 / 5).
  expect(scoreInterval([1, 2, 3, 4, 5])).toEqual({
    mean: 3,
    low: expect.closeTo(3 - 1.959964 * Math.SQRT1_2, 6),
    high: expect.closeTo(3 + 1.959964 * Math.SQRT1_2, 6),
    n: 5,
  });
});

test('one score beyond [0, 1] is its own interval', () => {
  expect(scoreInterval([7])).toEqual({ mean: 7, low: 7, high: 7, n: 1 });
});

test('the mean lies in its interval, and the interval in [0, 1]', () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1 }), (scores) => {
      const { mean, low, high, n } = scoreInterval(scores)!;
      expect(n).toBe(scores.length);
      expect(0 <= low && low <= mean + 1e-12 && mean <= high + 1e-12 && high <= 1).toBe(true);
    }),
    { seed: 1 },
  );
});

test('wrong and right are mirror images', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 500 }), fc.nat(), (n, some) => {
      const right = some % (n + 1);
      const [one, other] = [scoreInterval(rightAndWrong(right, n))!, scoreInterval(rightAndWrong(n - right, n))!];
      expect(one.low).toBeCloseTo(1 - other.high, 12);
      expect(one.high).toBeCloseTo(1 - other.low, 12);
    }),
    { seed: 2 },
  );
});

test('more of the same makes the interval narrower', () => {
  const widths = [10, 100, 1000].map((n) => {
    const { low, high } = scoreInterval(rightAndWrong(n * 0.7, n))!;
    return high - low;
  });
  expect(widths).toEqual(widths.toSorted((a, b) => b - a));
});
