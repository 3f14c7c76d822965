import type { Failure } from './failure.ts';
import type { Fields } from './json.ts';
import type { LmRequest, LmResponse } from './lm.ts';

/** One call of one predictor inside a program, with what was really asked and answered. */
export interface Call {
  readonly predictor: string;
  readonly inputs: Fields;
  readonly outputs: Fields | null;
  readonly request: LmRequest;
  readonly response: LmResponse;
  /** Why there are no outputs; null when there are. */
  readonly failure: Failure | null;
}

/** The calls of one example in the order they were made. */
export type Trace = readonly Call[];
