import type { Candidate } from '../core/candidate.ts';
import type { Example } from '../core/example.ts';
import { type Evaluation, evaluationOf } from '../core/metric.ts';
import type { EvaluateOptions, OptimizerContext } from '../core/optimizer.ts';

export interface Judgement {
  readonly evaluation: Evaluation;
  /** Null when it was stopped: then it is known that it cannot have won. */
  readonly score: number | null;
}

/** Rows between two looks: enough to fill a host's sequences several times over. */
const rowsBetweenLooks = 32;

/**
 * Evaluates a candidate that has to score more than `toBeat`, and stops as soon as full marks on all the rows that are left would not be
 * enough. Exact for scores in [0, 1], which is what a metric promises; one score above 1 and all rows are asked.
 */
export async function judge(
  context: OptimizerContext,
  candidate: Candidate,
  examples: readonly Example[],
  { toBeat, ...options }: EvaluateOptions & { readonly toBeat: number | null },
): Promise<Judgement> {
  if (toBeat === null) {
    const evaluation = await context.evaluate(candidate, examples, options);
    return { evaluation, score: evaluation.mean };
  }
  let evaluation = evaluationOf('', []);
  for (let start = 0; start < examples.length; start += rowsBetweenLooks) {
    const part = await context.evaluate(candidate, examples.slice(start, start + rowsBetweenLooks), options);
    evaluation = evaluationOf(part.candidate, [...evaluation.rows, ...part.rows]);
    const values = evaluation.rows.map(({ score }) => score.value);
    const most = values.reduce((sum, value) => sum + value, 0) + (examples.length - values.length);
    if (Math.max(...values) <= 1 && most / examples.length <= toBeat && values.length < examples.length)
      return { evaluation, score: null };
  }
  return { evaluation, score: evaluation.mean };
}
