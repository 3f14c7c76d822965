import type { z } from 'zod';
import type { Candidate } from '../core/candidate.ts';
import type { Metric } from '../core/metric.ts';
import type { Optimized, OptimizerContext, WorkSizes } from '../core/optimizer.ts';

/** What an optimizer does with its parameters. */
export interface Algorithm<S extends z.ZodObject> {
  /** Every parameter with its default. */
  readonly parameters: S;
  /** Requests that it will make, roughly. */
  expectedCalls(parameters: z.output<S>, sizes: WorkSizes): number;
  optimize(
    parameters: z.output<S>,
    parent: Candidate,
    context: OptimizerContext,
    metric: Metric | undefined,
  ): Promise<Optimized>;
}
