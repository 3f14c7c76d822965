import type { ScoreInterval } from '../core/summary.ts';

/** What later scores have over earlier ones of the same examples. */
export interface Paired {
  readonly difference: ScoreInterval;
  readonly won: number;
  readonly lost: number;
  /** Two-sided, of the exact sign test over the examples that changed; for right or wrong that is McNemar's exact test. */
  readonly chance: number;
}

const z95 = 1.959963984540054;

/** Compares scores of the same examples in the same order; null for none. The interval is the normal one, of the differences. */
export function pairedDifference(before: readonly number[], after: readonly number[]): Paired | null {
  const n = before.length;
  if (n !== after.length) throw new TypeError(`${n} scores cannot be paired with ${after.length}`);
  if (n === 0) return null;
  const differences = after.map((score, index) => score - before[index]!);
  const mean = differences.reduce((sum, one) => sum + one, 0) / n;
  const variance = differences.reduce((sum, one) => sum + (one - mean) ** 2, 0) / Math.max(1, n - 1);
  const half = z95 * Math.sqrt(variance / n);
  const won = differences.filter((one) => one > 0).length;
  const lost = differences.filter((one) => one < 0).length;
  return { difference: { mean, low: mean - half, high: mean + half, n }, won, lost, chance: signTest(won, lost) };
}

/** The probability of a split at least as uneven among as many fair coins. */
function signTest(won: number, lost: number): number {
  const n = won + lost;
  let term = 0.5 ** n;
  let tail = term;
  for (let k = 1; k <= Math.min(won, lost); k++) {
    term *= (n - k + 1) / k;
    tail += term;
  }
  return Math.min(1, 2 * tail);
}
