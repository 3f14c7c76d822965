import type { Failure } from './failure.ts';
import type { Fields } from './json.ts';
import type { ChoiceOutcome, LmRequest, LmResponse } from './lm.ts';

/** One call of one predictor inside a program, with what was really asked and answered. */
export interface Call {
  readonly predictor: string;
  readonly inputs: Fields;
  readonly outputs: Fields | null;
  /** What is known about the outputs that have a closed set of labels. */
  readonly choices: { readonly [output: string]: ChoiceOutcome };
  readonly request: LmRequest;
  readonly response: LmResponse;
  /** Why there are no outputs; null when there are. */
  readonly failure: Failure | null;
}

/** The calls of one example in the order they were made. */
export type Trace = readonly Call[];
