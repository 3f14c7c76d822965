import type { PairedDifference, ScoreInterval } from '../core/summary.ts';

/** The statistics that a report shows; how they are made is not its business. */
export interface Statistics {
  interval(scores: readonly number[]): ScoreInterval | null;
  /** Scores of the same examples in the same order; null for none. */
  paired(before: readonly number[], after: readonly number[]): PairedDifference | null;
}
