/**
 * Why one example has no answer.
 * The model's own shortcomings (`parse`, `length`, `refused`) never count as errors; the user's code (`program-error`, `metric-error`)
 * counts against `maxErrors`; `crash` and `timeout` mean that this one request brought the model host down twice.
 */
export type FailureKind = 'parse' | 'length' | 'refused' | 'program-error' | 'metric-error' | 'crash' | 'timeout';

/** An expected failure of one example: a row with score 0 and a reason, never an exception past the evaluator. */
export interface Failure {
  readonly kind: FailureKind;
  readonly message: string;
}

/** Carries a failure from a predictor's call through the user's program to the evaluator. */
export class ExampleFailure extends Error {
  override readonly name = 'ExampleFailure';
  readonly failure: Failure;

  constructor(failure: Failure, options?: ErrorOptions) {
    super(failure.message, options);
    this.failure = failure;
  }
}
