import { type Candidate, candidateId, mapPredictors } from '../core/candidate.ts';
import type { EmbedCall } from '../core/embedding.ts';
import { BetterTogetherError, TooManyErrors } from '../core/errors.ts';
import type { Example } from '../core/example.ts';
import { ExampleFailure, type Failure } from '../core/failure.ts';
import { shortId } from '../core/json.ts';
import { type Evaluation, evaluationOf, type Metric, type Row, toScore } from '../core/metric.ts';
import {
  type AnswerCall,
  type Attempt,
  type PreparedProgram,
  prepare,
  type RunResult,
  runProgram,
  type Structure,
} from '../core/program.ts';
import { mapInOrder } from './in-order.ts';

export interface EvaluationRequest {
  readonly structure: Structure;
  readonly candidate: Candidate;
  readonly examples: readonly Example[];
  readonly metric: Metric;
  readonly attempt: Attempt;
  readonly answer: AnswerCall;
  /** For demos that are chosen by likeness. */
  readonly embed: EmbedCall;
  /** Examples under way at once. */
  readonly concurrency: number;
  /** Exceptions of the user's program or metric that are tolerated in one evaluation. */
  readonly maxErrors: number;
  /** Takes an example's own demo out of the prompt while that example is asked. */
  readonly leaveOneOut: boolean;
  /** Default: all rows in one group. */
  readonly inGroups?: RowGroups | null;
  onRow?(done: number, meanSoFar: number): void;
}

/** Has so many rows asked in groups, in order and one after the other: `ask` asks those from `from` up to and without `to`. */
export type RowGroups = (rows: number, ask: (from: number, to: number) => Promise<void>) => Promise<void>;

interface Attempted {
  readonly row: Row;
  /** What the user's code threw, if it did. */
  readonly thrown: unknown;
}

/**
 * Runs a candidate on examples and scores every row.
 * What the model cannot do is a row with score 0 and a reason. Exceptions of the user's code are too, up to `maxErrors`, counted in example
 * order; beyond that TooManyErrors. Everything else (a dead host, a full disk) is thrown.
 */
export async function evaluateCandidate(request: EvaluationRequest): Promise<Evaluation> {
  const { candidate, examples, concurrency } = request;
  const attempted = new Array<Attempted>(examples.length);
  const countErrors = errorCounter(request, attempted);
  const programFor = preparedPrograms(request);
  let done = 0;
  let sum = 0;
  const ask = async (from: number, to: number): Promise<void> => {
    await mapInOrder(examples.slice(from, to), concurrency, async (example, index) => {
      const result = await attemptExample(request, programFor(example), example);
      attempted[from + index] = result;
      countErrors();
      sum += result.row.score.value;
      request.onRow?.(++done, sum / done);
    });
  };
  if (request.inGroups) await request.inGroups(examples.length, ask);
  else await ask(0, examples.length);
  return evaluationOf(
    candidateId(candidate),
    attempted.map(({ row }) => row),
  );
}

async function attemptExample(
  { metric, answer }: EvaluationRequest,
  program: PreparedProgram,
  example: Example,
): Promise<Attempted> {
  const result = await runProgram({ program, inputs: example.inputs, answer });
  const { outputs, trace } = result;
  const failed = (failure: Failure, thrown: unknown): Attempted => ({
    row: { example, outputs, trace, score: { value: 0, feedback: failure.message }, failure },
    thrown,
  });
  if (result.failure) return failed(result.failure, result.thrown);
  try {
    const judged = await metric({ inputs: example.inputs, labels: example.labels }, outputsOf(result), trace);
    return { row: { example, outputs, trace, score: toScore(judged), failure: null }, thrown: null };
  } catch (error) {
    if (isWorldError(error)) throw error;
    if (error instanceof ExampleFailure) return failed(error.failure, error);
    const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    return failed({ kind: 'metric-error', message }, error);
  }
}

/** Our own errors and aborts are about the world; everything else came out of the user's code. */
const isWorldError = (error: unknown): boolean =>
  error instanceof BetterTogetherError || (error instanceof Error && error.name === 'AbortError');

function outputsOf({ outputs }: RunResult) {
  if (outputs === null) throw new TypeError('A run without a failure has outputs');
  return outputs;
}

/** The program that an example is asked with: one for all, except for those that are demos themselves when each is to be left out. */
function preparedPrograms({ structure, candidate, attempt, leaveOneOut, embed }: EvaluationRequest) {
  const whole = prepare(structure, candidate, attempt, embed);
  const sources = Object.values(candidate.predictors).flatMap(({ demos }) => demos.map(({ source }) => source));
  const shown = new Set(leaveOneOut ? sources : []);
  return (example: Example): PreparedProgram =>
    shown.has(example.id) ? prepare(structure, withoutOwnDemo(candidate, example), attempt, embed) : whole;
}

function withoutOwnDemo(candidate: Candidate, example: Example): Candidate {
  return mapPredictors(candidate, (state) => ({
    ...state,
    demos: state.demos.filter(({ source }) => source !== example.id),
  }));
}

/** Counts in example order, whatever finished first: the same rows stop a run at any concurrency. */
function errorCounter({ maxErrors }: EvaluationRequest, attempted: readonly (Attempted | undefined)[]): () => void {
  let position = 0;
  const errors: Attempted[] = [];
  return () => {
    for (; attempted[position]; position++) {
      const kind = attempted[position]!.row.failure?.kind;
      if (kind !== 'program-error' && kind !== 'metric-error') continue;
      if (errors.push(attempted[position]!) > maxErrors) throw tooMany(errors[0]!, errors.length, position + 1);
    }
  };
}

function tooMany({ row, thrown }: Attempted, count: number, judged: number): TooManyErrors {
  const place = row.failure?.kind === 'metric-error' ? 'metric' : 'program';
  const stack = thrown instanceof Error && thrown.stack ? thrown.stack : row.failure?.message;
  return new TooManyErrors(
    'too-many-errors',
    `${count} of the first ${judged} examples made the ${place} throw; the first was example ${shortId(row.example.id)} with inputs ` +
      `${JSON.stringify(row.example.inputs).slice(0, 200)}:\n${stack}`,
    'Mend the program or the metric and run the same command again: model calls are remembered. --max-errors N tolerates more.',
    { cause: thrown },
  );
}
