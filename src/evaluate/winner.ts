import { seededRng } from '../core/rng.ts';
import type { ScoreInterval } from '../core/summary.ts';
import { scoreInterval } from './statistics.ts';

/** Scores of one candidate, one for each example of a split in the split's order; null where it was not measured. */
export type ScoreRow = readonly (number | null)[];

/**
 * What the best of many scores on examples that it was not picked on, which is what it can be expected to score elsewhere: examples are
 * drawn with replacement, the best on those is judged on the others, again and again (the leave-one-out bootstrap of Efron and Tibshirani,
 * 1997, over the choice as Tsamardinos et al., 2018, do it). Only candidates with all scores can be the best; null where there is none.
 */
export function winnerScore(candidates: readonly ScoreRow[], resamples = 1000): ScoreInterval | null {
  const complete = candidates.filter((row): row is readonly number[] => row.every((score) => score !== null));
  const n = complete[0]?.length ?? 0;
  if (n < 2) return scoreInterval(complete[0] ?? []);
  const sums = new Float64Array(n);
  const counts = new Float64Array(n);
  const rng = seededRng('winner');
  for (let sample = 0; sample < resamples; sample++) {
    const weights = drawn(n, () => rng.int(n));
    const best = bestOf(complete, weights);
    for (let i = 0; i < n; i++) {
      if (weights[i] !== 0) continue;
      sums[i]! += best[i]!;
      counts[i]! += 1;
    }
  }
  // A row that every resample held has only been seen by those who picked on it: with 1,000 resamples that is once in 10 ** 190 rows.
  return scoreInterval([...sums].flatMap((sum, i) => (counts[i] === 0 ? [] : [sum / counts[i]!])));
}

/** How often each of n examples is drawn in n draws. */
function drawn(n: number, draw: () => number): Float64Array {
  const weights = new Float64Array(n);
  for (let i = 0; i < n; i++) weights[draw()]! += 1;
  return weights;
}

/** Ties to the earlier, as in a run. */
function bestOf(candidates: readonly (readonly number[])[], weights: Float64Array): readonly number[] {
  let best = candidates[0]!;
  let most = Number.NEGATIVE_INFINITY;
  for (const row of candidates) {
    let sum = 0;
    for (let i = 0; i < weights.length; i++) sum += weights[i]! * row[i]!;
    if (sum > most) [best, most] = [row, sum];
  }
  return best;
}
