import type { Candidate } from '../../src/core/candidate.ts';
import type { Optimizer } from '../../src/core/optimizer.ts';
import { type Problem, type ProblemOptions, problem } from './laboratory.ts';
import { observe } from './laboratory-run.ts';
import { type Habits, writer } from './laboratory-writer.ts';

export interface ComparisonOptions extends Omit<ProblemOptions, 'seed'> {
  /** Repetitions, each with rows, a prompt model and draws of its own: the same ones for every optimizer. */
  readonly seeds: number;
  readonly maxCalls?: number;
  /** Default: half of the clues that it is shown, and none that it is not: an optimizer has to show rows to get any. */
  readonly habits?: Habits;
}

/** The true score of the start, of what the optimizer made of it, and the best there is; one of each for every seed. */
interface TrueScores {
  readonly start: readonly number[];
  readonly found: readonly number[];
  readonly best: readonly number[];
  /** Requests, to the student and to the prompt model. */
  readonly calls: readonly number[];
  /** The programs themselves. */
  readonly programs: readonly { readonly given: Problem; readonly found: Candidate }[];
}

/** Lets an optimizer work on one problem with many seeds. What it returns is judged by the truth, not by the rows that it was chosen on. */
export async function trueScores(optimizer: Optimizer, options: ComparisonOptions): Promise<TrueScores> {
  const { seeds, maxCalls, habits = { finds: 0.5 }, ...task } = options;
  const scores = { start: [] as number[], found: [] as number[], best: [] as number[], calls: [] as number[] };
  const programs: { given: Problem; found: Candidate }[] = [];
  for (let seed = 0; seed < seeds; seed++) {
    const given = problem({ ...task, seed });
    const { optimized, requests } = await observe(optimizer, given, {
      seed,
      promptModel: writer(habits, seed),
      ...(maxCalls === undefined ? {} : { maxCalls }),
    });
    scores.start.push(given.expectedScore(given.start));
    scores.found.push(given.expectedScore(optimized.candidate));
    scores.best.push(given.expectedScore(given.best));
    programs.push({ given, found: optimized.candidate });
    scores.calls.push(requests.student.length + requests.promptModel.length);
  }
  return { ...scores, programs };
}

/** By how much the first scores are above the second, seed by seed: the mean, and twice its standard error to either side. */
export function pairedGain(
  scores: readonly number[],
  others: readonly number[],
): { readonly mean: number; readonly low: number; readonly high: number } {
  const gains = scores.map((score, index) => score - others[index]!);
  const mean = meanOf(gains);
  const variance = gains.reduce((sum, gain) => sum + (gain - mean) ** 2, 0) / Math.max(1, gains.length - 1);
  const error = Math.sqrt(variance / gains.length);
  return { mean, low: mean - 2 * error, high: mean + 2 * error };
}

export const meanOf = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;
