import type { Example } from './example.ts';
import { ExampleFailure, type Failure } from './failure.ts';
import { canonicalJson, type Fields, type Json } from './json.ts';
import type { Trace } from './trace.ts';

/** `value` is in [0, 1], higher is better. `feedback` is what a teacher would write in the margin. */
export interface Score {
  readonly value: number;
  readonly feedback?: string;
}

/** What a metric may return: a number, right or wrong, or a score with feedback. */
export type MetricResult = number | boolean | { readonly score: number | boolean; readonly feedback?: string };

/** Judges one prediction against one example. `O` are the program's outputs. */
export type Metric<O = Fields> = (
  example: { readonly inputs: Fields; readonly labels: Fields },
  prediction: O,
  trace: Trace,
) => MetricResult | Promise<MetricResult>;

/** The one place where what a metric returned becomes a score; a score of 0 with feedback stays 0, whoever asks. */
export function toScore(result: MetricResult): Score {
  const { score, feedback } = typeof result === 'object' && result !== null ? result : { score: result };
  const value = typeof score === 'boolean' ? Number(score) : score;
  if (typeof value !== 'number' || !Number.isFinite(value)) {
    throw new ExampleFailure({
      kind: 'metric-error',
      message: `The metric returned ${describe(result)}, not a finite number.`,
    });
  }
  return feedback === undefined ? { value } : { value, feedback };
}

function describe(value: unknown): string {
  return typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? String(value));
}

/** Whether an attempt is good enough to learn from. `threshold` null means: anything above 0. */
export function passes(score: Score, threshold: number | null): boolean {
  return threshold === null ? score.value > 0 : score.value >= threshold;
}

/** One example run through one candidate. */
export interface Row {
  readonly example: Example;
  readonly outputs: Fields | null;
  readonly trace: Trace;
  readonly score: Score;
  readonly failure: Failure | null;
}

/** Rows in the order of the examples. `mean` is null when there are none: an empty evaluation has no score. */
export interface Evaluation {
  readonly candidate: string;
  readonly rows: readonly Row[];
  readonly mean: number | null;
}

export function evaluationOf(candidate: string, rows: readonly Row[]): Evaluation {
  const sum = rows.reduce((total, row) => total + row.score.value, 0);
  return { candidate, rows, mean: rows.length === 0 ? null : sum / rows.length };
}

/** Trims, folds case and Unicode form; numbers, booleans and objects compare by their canonical JSON text. */
export function normalized(value: Json | undefined): string {
  const text = typeof value === 'string' ? value : value === undefined ? '' : canonicalJson(value);
  return text.normalize('NFKC').trim().toLowerCase();
}
