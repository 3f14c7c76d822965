import { type Candidate, candidateId } from '../core/candidate.ts';
import { StepError } from '../core/errors.ts';
import { type Evaluation, evaluationOf, type Row } from '../core/metric.ts';
import type { EvaluateOptions, Optimized, OptimizerContext, Trial } from '../core/optimizer.ts';

/** A step's context, and what was found out through it. */
interface WatchedContext {
  readonly context: OptimizerContext;
  /** What the step has come to when this error ended it: the best candidate that was judged on all val rows; else the error is thrown. */
  bestWhenSpent(error: unknown): Optimized;
}

/**
 * Optimizers ask what is left before they spend it. Where they were mistaken, as with a program that asks more than it has predictors, the
 * budget ends in the middle of something: then what was found until then is the step's result.
 */
export function watchBest(context: OptimizerContext): WatchedContext {
  const notes = new Map<string, string>();
  const judged = new Map<string, { readonly candidate: Candidate; readonly rows: Map<string, Row> }>();

  const see = (candidate: Candidate, { rows }: Evaluation, { attempt, structure }: EvaluateOptions = {}) => {
    if (attempt || structure) return;
    const id = candidateId(candidate);
    const known = judged.get(id) ?? { candidate, rows: new Map<string, Row>() };
    for (const row of rows) known.rows.set(row.example.id, row);
    judged.set(id, known);
  };
  /** Candidates with a score on all val rows, in the order in which they were first asked. */
  const trials = (): Trial[] =>
    [...judged.values()].flatMap(({ candidate, rows }) => {
      const onVal = context.val.flatMap(({ id }) => rows.get(id) ?? []);
      if (onVal.length === 0 || onVal.length < context.val.length) return [];
      const id = candidateId(candidate);
      return [{ candidate, score: evaluationOf(id, onVal).mean, note: notes.get(id) ?? 'start' }];
    });

  return {
    context: {
      ...context,
      propose(candidate, parents, note) {
        notes.set(candidateId(candidate), note);
        context.propose(candidate, parents, note);
      },
      async evaluate(candidate, examples, options) {
        const evaluation = await context.evaluate(candidate, examples, options);
        see(candidate, evaluation, options);
        return evaluation;
      },
      async evaluateAll(candidates, examples, options) {
        const evaluations = await context.evaluateAll(candidates, examples, options);
        for (const [index, evaluation] of evaluations.entries()) see(candidates[index]!, evaluation, options);
        return evaluations;
      },
    },
    bestWhenSpent(error) {
      const tried = error instanceof StepError && error.code === 'budget-spent' ? trials() : [];
      const [first, ...others] = tried;
      if (!first) throw error;
      // `!`: there are val rows. Ties to the earlier.
      const best = others.reduce((a, b) => (b.score! > a.score! ? b : a), first);
      context.notice({
        code: 'budget-ends-search',
        message: `The budget ended in the middle of the step: the best of ${tried.length} judged candidates is kept.`,
      });
      return { candidate: best.candidate, trials: tried };
    },
  };
}
