import type { ScoreInterval } from '../core/summary.ts';

const z95 = 1.959963984540054;

/**
 * The 95 % interval of the mean of values in [0, 1]: Wilson's (1927), with as many examples as the values' own variance makes them worth.
 * For values of 0 and 1 only, that is Wilson's interval itself. Others vary less than those with the same mean, by a factor that is estimated
 * with `ends` of a value more at 0 and at 1: without them values that happen to be alike would have an interval of no width. Resampling
 * cannot see what is not in the sample, so near the ends bootstraps are too narrow; docs/statistics.md has both side by side.
 */
export function boundedMean(values: readonly number[], ends: number): ScoreInterval {
  const n = values.length;
  const mean = meanOf(values);
  const worth = n / spread(values, ends);
  const center = (mean + z95 ** 2 / (2 * worth)) / (1 + z95 ** 2 / worth);
  const half = (z95 / (1 + z95 ** 2 / worth)) * Math.sqrt((mean * (1 - mean)) / worth + z95 ** 2 / (4 * worth ** 2));
  return { mean, low: Math.max(0, center - half), high: Math.min(1, center + half), n };
}

/** The normal interval, for values without bounds. */
export function unboundedMean(values: readonly number[]): ScoreInterval {
  const n = values.length;
  const mean = meanOf(values);
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / Math.max(1, n - 1);
  const half = z95 * Math.sqrt(variance / n);
  return { mean, low: mean - half, high: mean + half, n };
}

/** The variance as a share of the largest that values in [0, 1] with this mean can have. */
function spread(values: readonly number[], ends: number): number {
  const total = values.length + 2 * ends;
  const mean = (sumOf(values) + ends) / total;
  const variance = (values.reduce((sum, value) => sum + value ** 2, 0) + ends) / total - mean ** 2;
  return Math.min(1, variance / (mean * (1 - mean)));
}

const sumOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);
const meanOf = (values: readonly number[]): number => sumOf(values) / values.length;
