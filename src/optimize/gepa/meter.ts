import { type Candidate, candidateId } from '../../core/candidate.ts';
import type { Example } from '../../core/example.ts';
import type { Metric, Row } from '../../core/metric.ts';
import type { OptimizerContext } from '../../core/optimizer.ts';

/**
 * Runs candidates on examples and counts the metric calls: one for each example. A candidate that was run on an example is not run there
 * again, since greedy answers would be the same: what came of it is known, and costs nothing.
 */
export interface Meter {
  rows(candidate: Candidate, examples: readonly Example[]): Promise<readonly Row[]>;
  /** What is known already of a candidate on these examples, in their order. */
  known(candidate: Candidate, examples: readonly Example[]): readonly Row[];
  metricCalls(): number;
  /** Which of the two budgets cannot pay for so many more metric calls and questions to the prompt model; null when both can. */
  shortOf(metricCalls: number, questions: number): 'search' | 'run' | null;
}

export function createMeter(context: OptimizerContext, budget: number, metric: Metric | undefined): Meter {
  let metricCalls = 0;
  const known = new Map<string, Row>();
  // A program may call a predictor more than once: what it was seen to do counts.
  let callsPerExample = Object.keys(context.structure.predictors).length;
  const keyOf = (candidate: Candidate, example: Example) => `${candidateId(candidate)}/${example.id}`;
  return {
    known: (candidate, examples) => examples.flatMap((example) => known.get(keyOf(candidate, example)) ?? []),
    async rows(candidate, examples) {
      const open = examples.filter((example) => !known.has(keyOf(candidate, example)));
      metricCalls += open.length;
      // Demos come from train: no example may find itself in the prompt, neither in a minibatch nor where train serves as val.
      const options = { leaveOneOut: true, ...(metric ? { metric } : {}) };
      const { rows } = open.length === 0 ? { rows: [] } : await context.evaluate(candidate, open, options);
      for (const row of rows) known.set(keyOf(candidate, row.example), row);
      callsPerExample = Math.max(callsPerExample, ...rows.map(({ trace }) => trace.length));
      // `!`: what was not known was just run.
      return examples.map((example) => known.get(keyOf(candidate, example))!);
    },
    metricCalls: () => metricCalls,
    shortOf(wanted, questions) {
      if (metricCalls + wanted > budget) return 'search';
      return context.callsLeft() < wanted * callsPerExample + questions ? 'run' : null;
    },
  };
}
