import type { ScoreInterval } from '../core/summary.ts';

const z95 = 1.959963984540054;

/**
 * Wilson's score interval (1927) for scores in [0, 1]: right or wrong, for which it is made, and graded, for which it is on the safe side,
 * since no distribution on [0, 1] with the same mean varies more. Beyond [0, 1] the normal interval. Null for no scores.
 */
export function scoreInterval(scores: readonly number[]): ScoreInterval | null {
  const n = scores.length;
  if (n === 0) return null;
  const mean = scores.reduce((sum, score) => sum + score, 0) / n;
  if (scores.some((score) => score < 0 || score > 1)) return normalInterval(scores, mean);
  const center = (mean + z95 ** 2 / (2 * n)) / (1 + z95 ** 2 / n);
  const half = (z95 / (1 + z95 ** 2 / n)) * Math.sqrt((mean * (1 - mean)) / n + z95 ** 2 / (4 * n ** 2));
  return { mean, low: Math.max(0, center - half), high: Math.min(1, center + half), n };
}

function normalInterval(scores: readonly number[], mean: number): ScoreInterval {
  const n = scores.length;
  const variance = scores.reduce((sum, score) => sum + (score - mean) ** 2, 0) / Math.max(1, n - 1);
  const half = z95 * Math.sqrt(variance / n);
  return { mean, low: mean - half, high: mean + half, n };
}
