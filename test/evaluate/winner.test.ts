import { expect, test } from 'vitest';
import { seededRng } from '../../src/core/rng.ts';
import { chanceAmongMany } from '../../src/evaluate/chance-among-many.ts';
import { scoreInterval } from '../../src/evaluate/statistics.ts';
import { valScores } from '../../src/evaluate/val-scores.ts';
import { type ScoreRow, winnerScore } from '../../src/evaluate/winner.ts';

/** Candidates that are right half of the time, whatever they answer. */
const coins = (candidates: number, n: number, seed: string): number[][] => {
  const rng = seededRng(seed);
  return Array.from({ length: candidates }, () => Array.from({ length: n }, () => Number(rng.next() < 0.5)));
};

const mean = (scores: readonly number[]): number => scores.reduce((sum, score) => sum + score, 0) / scores.length;

test('a single candidate was not picked: its score stays what it is', () => {
  const [only] = coins(1, 40, 'one') as [number[]];
  expect(winnerScore([only])).toEqual(scoreInterval(only));
});

test('the best of many that are equal is brought back to what they all are', () => {
  const tried = Array.from({ length: 20 }, (_, seed) => coins(30, 50, `many/${seed}`));
  const plain = mean(tried.map((candidates) => Math.max(...candidates.map(mean))));
  const corrected = mean(tried.map((candidates) => winnerScore(candidates, 200)!.mean));
  expect(plain).toBeGreaterThan(0.6);
  expect(Math.abs(corrected - 0.5)).toBeLessThan(0.02);
});

test('one that is best beyond doubt keeps its score', () => {
  const rest = coins(30, 50, 'rest').map((row) => row.map((score) => 0.1 * score));
  const best = Array.from({ length: 50 }, (_, i) => Number(i % 10 > 0));
  expect(winnerScore([...rest, best])).toEqual(scoreInterval(best));
});

test('a candidate that was not measured on all examples cannot be the best', () => {
  const [only] = coins(1, 10, 'one') as [number[]];
  expect(winnerScore([only, [1, 1, null, null, null, null, null, null, null, null]])).toEqual(scoreInterval(only));
  expect(winnerScore([[null, 1]])).toBe(null);
});

test('the correction is a function of the scores alone', () => {
  const candidates = coins(10, 30, 'same');
  expect(winnerScore(candidates)).toEqual(winnerScore(candidates));
});

test('alone, a gain has the one-sided chance of a sign test', () => {
  const before: ScoreRow = [...Array(8).fill(0), ...Array(2).fill(1)];
  const after: ScoreRow = [...Array(8).fill(1), ...Array(2).fill(0)];
  expect(chanceAmongMany(before, after, [], 9999)).toBeCloseTo(56 / 1024, 2);
});

test('the same gain is likelier where many were tried', () => {
  const before = [...Array(20).fill(0), ...Array(20).fill(1)];
  const after = [...Array(10).fill(1), ...Array(8).fill(0), ...Array(20).fill(1), 0, 1];
  const alone = chanceAmongMany(before, after, []);
  const amongMany = chanceAmongMany(before, after, coins(40, 40, 'others'));
  expect(alone).toBeLessThan(0.03);
  expect(amongMany).toBeGreaterThan(5 * alone);
});

test('a candidate that is the same as before has gained nothing', () => {
  const [same] = coins(1, 20, 'same') as [number[]];
  expect(chanceAmongMany(same, same, coins(3, 20, 'others'))).toBe(1);
});

test('scores on val are gathered over evaluations, without those that were sampled or judged otherwise', () => {
  const evaluation = (
    candidate: string,
    scores: Record<string, number>,
    more: { split?: 'train'; aside?: true } = {},
  ) => ({
    type: 'evaluation' as const,
    step: 1,
    split: 'val' as const,
    candidate,
    mean: 0,
    rows: Object.entries(scores).map(([example, score]) => ({ example, score })),
    ...more,
  });
  const events = [
    evaluation('a', { x: 1, y: 0 }),
    evaluation('b', { y: 1 }),
    evaluation('b', { x: 0.5, other: 1 }),
    evaluation('c', { y: 1 }),
    evaluation('a', { x: 0 }, { aside: true }),
    evaluation('d', { x: 1 }, { split: 'train' }),
  ];
  expect([...valScores(events, ['x', 'y'])]).toEqual([
    ['a', [1, 0]],
    ['b', [0.5, 1]],
    ['c', [null, 1]],
  ]);
});
