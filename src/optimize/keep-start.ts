import { z } from 'zod';
import { type Candidate, candidateId } from '../core/candidate.ts';
import type { Metric } from '../core/metric.ts';
import type { Optimized, OptimizerContext, WorkSizes } from '../core/optimizer.ts';
import { type Contest, createContest, judgedRows } from './contest.ts';
import { sayThatTheStartIsKept } from './notices.ts';

/** Whether the result has to score more than the start to replace it; DSPy's behaviour is false. */
export const keepStart = z.boolean().default(true);

/** What an algorithm made of its start. */
interface Made {
  readonly candidate: Candidate;
  readonly note: string;
  /** Default: the run's. */
  readonly metric: Metric | undefined;
}

/** The result as it is, unscored. */
export function withoutJudging(start: Candidate, { candidate, note }: Made, context: OptimizerContext): Optimized {
  context.propose(candidate, [start], note);
  return { candidate, trials: [{ candidate, score: null, note }] };
}

/**
 * The better of start and result, ties to the start, with a notice when it is kept. Both are scored on val; without one on the train rows
 * that are no demo of either, and where there are none of these on all of them, each without its own demo.
 */
export async function betterThanStart(
  start: Candidate,
  { candidate, note, metric }: Made,
  context: OptimizerContext,
): Promise<Optimized> {
  const contest = createContest(context, start, { ...comparisonRows([start, candidate], context), metric });
  if (candidateId(candidate) !== candidateId(start) && contest.callsEach > 0) {
    const measured = await contest.enter(start, null, 'start');
    if (measured) await contest.enter(candidate, start, note);
  }
  return bestOf(contest, start, context);
}

/** What a contest ended with; says so where that is its start. */
export function bestOf(contest: Contest, start: Candidate, context: OptimizerContext): Optimized {
  const best = contest.best();
  const trials = contest.trials();
  if (best && candidateId(best.candidate) !== candidateId(start)) return { candidate: best.candidate, trials };
  const others = trials.length - 1;
  const reason =
    best && others > 0
      ? `it scored ${best.score?.toFixed(3)}, and no other candidate (${others} judged) scored more`
      : 'nothing else was judged';
  sayThatTheStartIsKept(context, reason);
  return { candidate: start, trials };
}

function comparisonRows(candidates: readonly Candidate[], context: OptimizerContext) {
  if (context.val.length > 0) return judgedRows(context);
  const states = candidates.flatMap(({ predictors }) => Object.values(predictors));
  // Nearly every train row may be shown then, and is best judged by all the others.
  if (states.some(({ nearest }) => nearest !== undefined)) return judgedRows(context);
  const demos = new Set(states.flatMap((state) => state.demos.map(({ source }) => source)));
  const others = context.train.filter(({ id }) => !demos.has(id));
  return others.length > 0 ? { examples: others, leaveOneOut: false } : judgedRows(context);
}

/** Requests that the comparison makes, roughly. */
export const comparisonCalls = ({ train, val, predictors }: WorkSizes): number => 2 * predictors * (val || train);
