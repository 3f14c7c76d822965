import { expect, test } from 'vitest';
import { seededRng } from '../../../src/core/rng.ts';
import { minibatches } from '../../../src/optimize/gepa/batches.ts';

function firstBatches(rows: readonly string[], size: number, count: number, seed = 0): (readonly string[])[] {
  const batches = minibatches(rows, size, seededRng(seed));
  return Array.from({ length: count }, () => batches.next().value);
}

test('an epoch has every row once, in batches of the size', () => {
  const batches = firstBatches(['a', 'b', 'c', 'd', 'e', 'f'], 3, 2);
  expect(batches.map((batch) => batch.length)).toEqual([3, 3]);
  expect(batches.flat().toSorted()).toEqual(['a', 'b', 'c', 'd', 'e', 'f']);
});

test('each epoch has an order of its own', () => {
  const [first, second] = firstBatches(['a', 'b', 'c', 'd', 'e', 'f'], 6, 2);
  expect(first).not.toEqual(second);
});

test('the last batch of an epoch is filled up with other rows, each as often as the others over time', () => {
  const rows = ['a', 'b', 'c', 'd'];
  const batches = firstBatches(rows, 3, 8);
  expect(batches.every((batch) => new Set(batch).size === 3)).toBe(true);
  const uses = rows.map((row) => batches.flat().filter((used) => used === row).length);
  expect(uses.toSorted()).toEqual([6, 6, 6, 6]);
});

test('fewer rows than the size are all in each batch, none twice', () => {
  expect(firstBatches(['a', 'b'], 3, 2).map((batch) => batch.toSorted())).toEqual([
    ['a', 'b'],
    ['a', 'b'],
  ]);
});

test('equal seeds agree, and 0 is a seed', () => {
  const rows = ['a', 'b', 'c', 'd', 'e', 'f'];
  expect(firstBatches(rows, 2, 9)).toEqual(firstBatches(rows, 2, 9));
  expect(firstBatches(rows, 2, 9, 0)).not.toEqual(firstBatches(rows, 2, 9, 1));
});
