import { seededRng } from '../core/rng.ts';
import type { ScoreRow } from './winner.ts';

/**
 * How often the best of `others` would be ahead of `before` by as much as `after` is, if none of them were better: the differences of an
 * example are turned round together for all of them, so that what they have in common stays (Westfall and Young's step of the largest,
 * 1993, with gains in units of their own spread). One-sided: a loss has a chance near 1. `after` counts as one of the others.
 */
export function chanceAmongMany(before: ScoreRow, after: ScoreRow, others: readonly ScoreRow[], draws = 1999): number {
  const observed = gain(scaled(before, after));
  const rows = [after, ...others].map((other) => scaled(before, other));
  const n = before.length;
  const rng = seededRng('chance-among-many');
  const signs = new Float64Array(n);
  let asGood = 1;
  for (let draw = 0; draw < draws; draw++) {
    for (let i = 0; i < n; i++) signs[i] = rng.next() < 0.5 ? -1 : 1;
    if (rows.some((row) => gain(row, signs) >= observed - 1e-9)) asGood++;
  }
  return asGood / (draws + 1);
}

/** Differences over the root of the sum of their squares, which turning them round does not change; 0 where one was not measured. */
function scaled(before: ScoreRow, after: ScoreRow): Float64Array {
  const differences = Float64Array.from(before, (score, i) => {
    const later = after[i] ?? null;
    return score === null || later === null ? 0 : later - score;
  });
  const length = Math.hypot(...differences);
  return length === 0 ? differences : differences.map((difference) => difference / length);
}

function gain(differences: Float64Array, signs?: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < differences.length; i++) sum += differences[i]! * (signs?.[i] ?? 1);
  return sum;
}
