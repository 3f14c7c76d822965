import { describe, expect, test } from 'vitest';
import { example } from '../../../src/core/example.ts';
import type { Row } from '../../../src/core/metric.ts';
import { seededRng } from '../../../src/core/rng.ts';
import {
  bucketsOf,
  drawMember,
  isWorthComparing,
  isWorthShowing,
  leaders,
  type Member,
  quantile,
} from '../../../src/optimize/simba/runs.ts';

const member = (...scores: number[]): Member => ({ candidate: { predictors: {} }, scores });
const row = (value: number): Row => ({
  example: example({}),
  outputs: {},
  trace: [],
  score: { value },
  failure: null,
});

describe('leaders', () => {
  test('are the best by their means, ties to the earlier', () => {
    const pool = [member(0.4), member(1, 0), member(0.5), member(0.9)];
    expect(leaders(pool, 3)).toEqual([pool[3], pool[1], pool[0]]);
  });

  test('always have the start among them', () => {
    const pool = [member(0), member(0.2), member(0.3)];
    expect(leaders(pool, 2)).toEqual([pool[2], pool[0]]);
  });
});

describe('a member is drawn', () => {
  const pool = [member(0), member(0.2)];
  const share = (temperature: number) => {
    const rng = seededRng(0);
    const draws = Array.from({ length: 4000 }, () => drawMember(pool, temperature, rng));
    return draws.filter((drawn) => drawn === pool[1]).length / draws.length;
  };

  test('by softmax over the means', () => {
    // e^(0.2 / 0.2) to 1.
    expect(share(0.2)).toBeCloseTo(Math.E / (Math.E + 1), 1);
  });

  test('almost always the better one at a low temperature, without overflow', () => {
    expect(share(0.0001)).toBe(1);
  });
});

test('the most instructive bucket is first: the widest gap, then the best run, then how far it stands out', () => {
  const values = (buckets: readonly (readonly Row[])[]) => buckets.map((rows) => rows.map(({ score }) => score.value));
  const runs = [
    [0.5, 0.5, 0.5],
    [1, 0.5, 1],
    [0.5, 0, 0],
    [0.5, 1, 0.5],
    [0, 0, 1],
  ].map((bucket) => bucket.map(row));
  expect(values(bucketsOf(runs))).toEqual([
    [1, 0, 0],
    [1, 0.5, 0.5],
    [1, 1, 0.5],
    [0.5, 0, 0],
    [0.5, 0.5, 0.5],
  ]);
});

const scored = (...values: readonly number[]) => values.map(row);

describe('a best run is worth showing', () => {
  test.each([
    ['above the lower limit', scored(0.5, 0.5), 0.2, true],
    ['not at it, where all runs are there', scored(0.2, 0.2), 0.2, false],
    ['at it, where others of its example are below: as when nine runs of ten are right', scored(1, 0), 1, true],
    ['not below it', scored(0.1, 0), 0.2, false],
  ])('%s', (_, bucket, low, expected) => {
    expect(isWorthShowing(bucket, { low, high: 1 })).toBe(expected);
  });
});

describe('best and worst run are worth comparing', () => {
  test.each([
    ['where they differ', scored(1, 0), { low: 0, high: 1 }, true],
    ['not where they do not', scored(0.5, 0.5), { low: 0, high: 1 }, false],
    ['where nine runs of ten are right', scored(1, 0), { low: 1, high: 1 }, true],
    ['where nine runs of ten are wrong', scored(1, 0), { low: 0, high: 0 }, true],
    ['not where both are poor', scored(0.1, 0), { low: 0.2, high: 1 }, false],
    ['not where both are good', scored(1, 0.9), { low: 0, high: 0.8 }, false],
  ])('%s', (_, bucket, limits, expected) => {
    expect(isWorthComparing(bucket, limits)).toBe(expected);
  });
});

test('a quantile lies between two values as numpy has it', () => {
  expect([quantile([4, 1, 3, 2], 0.1), quantile([4, 1, 3, 2], 0.9), quantile([7], 0.5)]).toEqual([
    expect.closeTo(1.3),
    expect.closeTo(3.7),
    7,
  ]);
});
