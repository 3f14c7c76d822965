import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Rng, seededRng } from '../../src/core/rng.ts';

const draws = (rng: Rng): number[] => Array.from({ length: 5 }, () => rng.next());

test('equal seeds have equal numbers', () => {
  expect(draws(seededRng(7))).toEqual(draws(seededRng(7)));
});

test('0 is a seed like any other', () => {
  const [zero, one, again] = [draws(seededRng(0)), draws(seededRng(1)), draws(seededRng(0))];
  expect(zero).not.toEqual(one);
  expect(zero).toEqual(again);
});

test('a fork does not depend on how often its parent was used', () => {
  const [fresh, used] = [seededRng(3), seededRng(3)];
  draws(used);
  expect(draws(used.fork('step-1'))).toEqual(draws(fresh.fork('step-1')));
});

test('using a fork does not shift the numbers of its parent', () => {
  const [forked, alone] = [seededRng(3), seededRng(3)];
  draws(forked.fork('step-1'));
  expect(draws(forked)).toEqual(draws(alone));
});

test('forks with different names, and the forks of different seeds, differ', () => {
  const streams = [
    seededRng(0),
    seededRng(0).fork('a'),
    seededRng(0).fork('b'),
    seededRng(1).fork('a'),
    seededRng(0).fork('a').fork('a'),
  ];
  expect(new Set(streams.map((rng) => rng.next())).size).toBe(5);
});

test('a shuffle is a permutation and leaves its list as it was', () => {
  fc.assert(
    fc.property(fc.integer(), fc.array(fc.integer()), (seed, items) => {
      const before = [...items];
      const ascending = (a: number, b: number) => a - b;
      expect(seededRng(seed).shuffle(items).sort(ascending)).toEqual([...items].sort(ascending));
      expect(items).toEqual(before);
    }),
    { seed: 1 },
  );
});

test('every order of three items comes about equally often', () => {
  const rng = seededRng('orders');
  const counts = new Map<string, number>();
  for (let i = 0; i < 6000; i++) {
    const order = rng.shuffle(['a', 'b', 'c']).join('');
    counts.set(order, (counts.get(order) ?? 0) + 1);
  }
  expect([...counts.keys()].sort()).toEqual(['abc', 'acb', 'bac', 'bca', 'cab', 'cba']);
  // Five standard deviations around 1000.
  for (const count of counts.values()) expect(Math.abs(count - 1000)).toBeLessThan(145);
});

test('a sample is different items of the list, as many as there are at most', () => {
  fc.assert(
    fc.property(fc.integer(), fc.uniqueArray(fc.integer()), fc.integer({ min: -2, max: 20 }), (seed, items, count) => {
      const sample = seededRng(seed).sample(items, count);
      expect(sample).toHaveLength(Math.max(0, Math.min(count, items.length)));
      expect(new Set(sample).size).toBe(sample.length);
      expect(items).toEqual(expect.arrayContaining(sample));
    }),
    { seed: 2 },
  );
});

test('a whole number below the limit is drawn', () => {
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: 1, max: 1000 }), (seed, limit) => {
      const number = seededRng(seed).int(limit);
      expect(Number.isInteger(number) && number >= 0 && number < limit).toBe(true);
    }),
    { seed: 3 },
  );
});
