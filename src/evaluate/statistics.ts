import type { ScoreInterval } from '../core/summary.ts';
import { boundedMean, unboundedMean } from './bounded-mean.ts';

/** A quarter of a row at each end: of the weights tried, the smallest that leaves no cell of `bench -- statistics` under 92 %. */
const ends = 0.25;

/**
 * The mean of scores and its 95 % interval: for right or wrong Wilson's, for graded scores in [0, 1] the same scaled by what they vary,
 * beyond [0, 1] the normal interval. Null for no scores.
 */
export function scoreInterval(scores: readonly number[]): ScoreInterval | null {
  if (scores.length === 0) return null;
  const isBounded = scores.every((score) => score >= 0 && score <= 1);
  return isBounded ? boundedMean(scores, ends) : unboundedMean(scores);
}
