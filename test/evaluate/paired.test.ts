import fc from 'fast-check';
import { expect, test } from 'vitest';
import { pairedDifference } from '../../src/evaluate/paired.ts';
import { signFlipChance } from '../../src/evaluate/sign-flip.ts';

const repeated = (score: number, times: number): number[] => new Array<number>(times).fill(score);

test("of right and wrong the chance is that of McNemar's exact test", () => {
  // 8 won, 2 lost: twice the probability of 2 or fewer heads among 10 coins, (1 + 10 + 45) / 1024.
  const before = [...repeated(0, 8), ...repeated(1, 2), ...repeated(1, 10)];
  const after = [...repeated(1, 8), ...repeated(0, 2), ...repeated(1, 10)];
  expect(pairedDifference(before, after)).toEqual({
    difference: {
      mean: expect.closeTo(0.3, 12),
      low: expect.closeTo(-0.0041, 4),
      high: expect.closeTo(0.5533, 4),
      n: 20,
    },
    won: 8,
    lost: 2,
    chance: expect.closeTo((2 * 56) / 1024, 12),
  });
});

test('the chance of graded differences is that of all ways to turn them round', () => {
  // Of 2 ** 4 sums of ±1 ±2 ±3 ±4 only 10 and -10 are as far from 0.
  expect(signFlipChance([0.1, 0.2, 0.3, 0.4, 0])).toBeCloseTo(2 / 16, 1);
  expect(signFlipChance([0.1, 0.2, 0.3, 0.4])).toBe(signFlipChance([0.1, 0.2, 0.3, 0.4]));
});

test('where nothing differs there is no gain, and no certainty either', () => {
  expect(pairedDifference(repeated(0.5, 50), repeated(0.5, 50))).toEqual({
    difference: { mean: 0, low: expect.closeTo(-0.0388, 4), high: expect.closeTo(0.0388, 4), n: 50 },
    won: 0,
    lost: 0,
    chance: 1,
  });
});

test('two thousand coins that fell alike are improbable, not impossible to compute', () => {
  expect(signFlipChance(repeated(1, 2000))).toBe(0);
  expect(signFlipChance([...repeated(1, 1000), ...repeated(-1, 1000)])).toBe(1);
});

test('no pairs have no difference, and unequal lengths are an error', () => {
  expect(pairedDifference([], [])).toBe(null);
  expect(() => pairedDifference([1], [])).toThrow('1 scores cannot be paired with 0');
});

test('a gain one way is the loss the other way', () => {
  const scores = fc.array(fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.boolean()), {
    minLength: 1,
    maxLength: 20,
  });
  fc.assert(
    fc.property(scores, (rows) => {
      const before = rows.map(([score]) => score);
      const after = rows.map(([, right]) => Number(right));
      const [there, back] = [pairedDifference(before, after)!, pairedDifference(after, before)!];
      expect(there.difference.mean).toBeCloseTo(-back.difference.mean, 12);
      expect(there.difference.low).toBeCloseTo(-back.difference.high, 12);
      expect([there.won, there.lost]).toEqual([back.lost, back.won]);
    }),
    { seed: 3, numRuns: 30 },
  );
});
