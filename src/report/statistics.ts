import type { ScoreInterval } from '../core/summary.ts';

/** What one candidate has over another on the same examples. */
export interface PairedDifference {
  /** Of the scores, later minus earlier, with its 95 % interval. */
  readonly difference: ScoreInterval;
  readonly won: number;
  readonly lost: number;
  /** How often a difference like this comes about by chance where there is none. */
  readonly chance: number;
}

/** The statistics that a report shows; how they are made is not its business. */
export interface Statistics {
  interval(scores: readonly number[]): ScoreInterval | null;
  /** Scores of the same examples in the same order; null for none. */
  paired(before: readonly number[], after: readonly number[]): PairedDifference | null;
}
