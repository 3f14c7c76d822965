import { expect, test } from 'vitest';
import { pairedDifference } from '../../src/evaluate/paired.ts';

test('counts what was won and lost, and how often chance does as much', () => {
  // 5 of 5 fair coins on one side, on either side: 2 / 32.
  const paired = pairedDifference([0, 0, 0, 0, 0, 1], [1, 1, 1, 1, 1, 1]);
  expect(paired).toMatchObject({ won: 5, lost: 0, chance: 0.0625, difference: { mean: 5 / 6, n: 6 } });
});

test('an even split is what chance does every time', () => {
  expect(pairedDifference([0, 1, 0, 1], [1, 0, 1, 0])).toMatchObject({ won: 2, lost: 2, chance: 1 });
});

test('no change has no width', () => {
  expect(pairedDifference([0.5, 1], [0.5, 1])?.difference).toEqual({ mean: 0, low: 0, high: 0, n: 2 });
});

test('nothing to compare is no difference', () => {
  expect(pairedDifference([], [])).toBeNull();
});
