import type { Evaluation } from '../../core/metric.ts';
import type { OptimizerContext } from '../../core/optimizer.ts';

/** What calls were made for. */
type Part = 'start' | 'demoSets' | 'proposals' | 'calibrations' | 'minibatches' | 'fullEvaluations';

/** Calls that were really made, by what they were made for. */
export type CallCounts = { readonly [part in Part]: number };

export interface CallMeter {
  /** The same context; the calls that are made through it count for this part. */
  of(part: Part, context: OptimizerContext): OptimizerContext;
  counts(): CallCounts;
}

export function createCallMeter(): CallMeter {
  const counts: { [part in Part]: number } = {
    start: 0,
    demoSets: 0,
    proposals: 0,
    calibrations: 0,
    minibatches: 0,
    fullEvaluations: 0,
  };
  return {
    of: (part, context) => ({
      ...context,
      async evaluate(candidate, examples, options) {
        const evaluation = await context.evaluate(candidate, examples, options);
        counts[part] += callsIn(evaluation);
        return evaluation;
      },
      async evaluateAll(candidates, examples, options) {
        const evaluations = await context.evaluateAll(candidates, examples, options);
        counts[part] += evaluations.reduce((sum, evaluation) => sum + callsIn(evaluation), 0);
        return evaluations;
      },
      ask(question, inputs, options) {
        counts[part]++;
        return context.ask(question, inputs, options);
      },
    }),
    counts: () => ({ ...counts }),
  };
}

const callsIn = ({ rows }: Evaluation): number => rows.reduce((sum, { trace }) => sum + trace.length, 0);

/** Calls that one run of the program takes at most: one for each predictor, or as many as it was seen to make. */
export const callsOfOneRun = ({ structure }: OptimizerContext, seen: Evaluation): number =>
  Math.max(Object.keys(structure.predictors).length, ...seen.rows.map(({ trace }) => trace.length));

/** The context with a share of the calls that are left: preparing must not eat up the search. */
export function withShareOfTheCalls(context: OptimizerContext, share: number): OptimizerContext {
  const left = context.callsLeft();
  const kept = Number.isFinite(left) ? Math.ceil(left * (1 - share)) : 0;
  return { ...context, callsLeft: () => Math.max(0, context.callsLeft() - kept) };
}
