import { candidateOf, type Program } from '../core/callable.ts';
import { InputError } from '../core/errors.ts';
import type { Example } from '../core/example.ts';
import type { Evaluation, Metric } from '../core/metric.ts';
import { firstAttempt } from '../core/program.ts';
import type { ScoreInterval } from '../core/summary.ts';
import { evaluateCandidate } from './evaluate.ts';
import { scoreInterval } from './statistics.ts';

export interface EvaluateOptions {
  /** Examples under way at once; it has no effect on the result. */
  readonly numThreads?: number;
  /** Exceptions of the program or the metric that are tolerated. */
  readonly maxErrors?: number;
  readonly signal?: AbortSignal;
  onRow?(done: number, meanSoFar: number): void;
}

/** Rows in the order of the examples, with their mean and its 95 % interval. */
export interface ProgramEvaluation extends Evaluation {
  readonly score: ScoreInterval;
}

/** Runs a program on examples and scores every row. An unreadable answer is a row with score 0 and a reason, never an exception. */
export async function evaluate<I, O>(
  program: Program<I, O>,
  examples: readonly Example[],
  metric: Metric<O>,
  { numThreads = 16, maxErrors = 10, signal, onRow }: EvaluateOptions = {},
): Promise<ProgramEvaluation> {
  const evaluation = await evaluateCandidate({
    structure: program.structure,
    candidate: candidateOf(program),
    examples,
    // `as`: the program's outputs are what its own metric expects.
    metric: metric as unknown as Metric,
    attempt: firstAttempt,
    answer: (request) => program.answer(request, signal),
    embed: program.embed,
    concurrency: numThreads,
    maxErrors,
    leaveOneOut: false,
    ...(onRow ? { onRow } : {}),
  });
  const score = scoreInterval(evaluation.rows.map((row) => row.score.value));
  if (!score) throw new InputError('examples-empty', ['There are no examples to evaluate on.'], 'Give at least one.');
  return { ...evaluation, score };
}
