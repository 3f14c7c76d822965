import type { Candidate } from '../core/candidate.ts';
import type { Evaluation } from '../core/metric.ts';

/** A candidate of the strategy with what was measured of it. */
export interface Measured {
  /** The steps that led to it; empty for the baseline. */
  readonly strategy: string;
  readonly candidate: Candidate;
  readonly val: Evaluation | null;
  readonly test: Evaluation | null;
}
