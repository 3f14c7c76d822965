import type { Candidate } from '../../core/candidate.ts';
import type { Example } from '../../core/example.ts';
import type { Metric, Row } from '../../core/metric.ts';
import type { EvaluateOptions, OptimizerContext } from '../../core/optimizer.ts';
import type { Rng } from '../../core/rng.ts';

/** A program of the search, with what it scored greedily on the rows that it was asked. */
export interface Member {
  readonly candidate: Candidate;
  readonly scores: readonly number[];
}

export const meanOf = (scores: readonly number[]): number =>
  scores.length === 0 ? 0 : scores.reduce((sum, score) => sum + score, 0) / scores.length;

/** The best members, ties to the earlier; the first of the pool, where the search started, is always among them. */
export function leaders(pool: readonly Member[], count: number): Member[] {
  const best = pool.toSorted((a, b) => meanOf(b.scores) - meanOf(a.scores)).slice(0, count);
  const start = pool[0]!;
  return best.includes(start) ? best : [...best.slice(0, -1), start];
}

/** Any of the members, the more often the better it is: by softmax over means, which are the more decisive the lower the temperature. */
export function drawMember(members: readonly Member[], temperature: number, rng: Rng): Member {
  const means = members.map(({ scores }) => meanOf(scores));
  // Only differences matter, and these cannot overflow.
  const best = Math.max(...means);
  const weights = means.map((mean) => Math.exp((mean - best) / temperature));
  let left = rng.next() * weights.reduce((sum, weight) => sum + weight, 0);
  for (const [index, member] of members.entries()) {
    left -= weights[index]!;
    if (left < 0) return member;
  }
  // Only where the last weights round to nothing.
  return members.at(-1)!;
}

export interface SamplingOrder {
  readonly batch: readonly Example[];
  readonly members: readonly Member[];
  /** Runs of each example; of these the first ones are the teachers', one each. */
  readonly runs: number;
  /** How much better members are preferred; see drawMember. */
  readonly temperature: number;
  readonly metric: Metric | undefined;
}

/** Runs of each example of the batch, in its order: the teachers' greedy ones, then at temperature 1 those of members drawn for each run. */
export async function sampledRuns(order: SamplingOrder, context: OptimizerContext, rng: Rng): Promise<Row[][]> {
  const { batch, runs, metric } = order;
  const found: Row[][] = batch.map(() => []);
  const ask = async (candidate: Candidate, positions: readonly number[], how: EvaluateOptions) => {
    const examples = positions.map((position) => batch[position]!);
    // Demos come from train, and so does the batch.
    const options = { leaveOneOut: true, ...(metric ? { metric } : {}), ...how };
    const { rows } = await context.evaluate(candidate, examples, options);
    for (const [index, position] of positions.entries()) found[position]!.push(rows[index]!);
  };
  const teachers = context.teachers.slice(0, runs);
  for (const { candidate, structure } of teachers) await ask(candidate, [...batch.keys()], { structure });
  // The runs of one round are of different examples: one seed serves them all, and the model has work for all its sequences.
  for (const { candidate, times } of drawnRuns(order, runs - teachers.length, rng))
    for (let round = 0; times.some((time) => time > round); round++) {
      const positions = [...times.keys()].filter((position) => times[position]! > round);
      await ask(candidate, positions, { attempt: { temperature: 1, seed: rng.fork(`seed/${round}`).int(seeds) } });
    }
  return found;
}

const seeds = 2 ** 31;

/** How many times each member runs each example of the batch. */
function drawnRuns({ batch, members, temperature }: SamplingOrder, runs: number, rng: Rng) {
  const drawn = batch.map((_, position) => {
    const own = rng.fork(`example/${position}`);
    return Array.from({ length: runs }, () => drawMember(members, temperature, own));
  });
  return members.map((member) => ({
    candidate: member.candidate,
    times: drawn.map((ofExample) => ofExample.filter((one) => one === member).length),
  }));
}

/** The runs of one example, best first, ties in the order in which they were made. */
export type Bucket = readonly Row[];

/** The most instructive examples first: by the gap between best and worst run, then by the best score, then by how far that is above the mean. */
export function bucketsOf(runs: readonly (readonly Row[])[]): Bucket[] {
  return runs
    .map((rows) => rows.toSorted((a, b) => b.score.value - a.score.value))
    .map((bucket) => ({ bucket, keys: keysOf(bucket) }))
    .toSorted((a, b) => b.keys.map((key, index) => key - a.keys[index]!).find((difference) => difference !== 0) ?? 0)
    .map(({ bucket }) => bucket);
}

function keysOf(bucket: Bucket): number[] {
  const [best, mean] = [bestScore(bucket), meanOf(bucket.map(({ score }) => score.value))];
  return [best - worstScore(bucket), best, best - mean];
}

/** The 10th and the 90th percentile of the scores of all runs. */
export interface Limits {
  readonly low: number;
  readonly high: number;
}

export function limitsOf(buckets: readonly Bucket[]): Limits {
  const scores = buckets.flat().map(({ score }) => score.value);
  return { low: quantile(scores, 0.1), high: quantile(scores, 0.9) };
}

/**
 * Whether the best run is an example to follow. One at the lower limit is where it stands out in its bucket: when nine runs of ten are
 * right, that limit is full marks, and the few examples with a wrong run are all that is left to learn from (DSPy learns nothing then).
 */
export const isWorthShowing = (bucket: Bucket, { low }: Limits): boolean =>
  bestScore(bucket) > low || (bestScore(bucket) === low && hasGap(bucket));

/** Whether best and worst run can be contrasted: they differ, the best is not among the worst of all runs, nor the worst among the best. */
export const isWorthComparing = (bucket: Bucket, { low, high }: Limits): boolean =>
  hasGap(bucket) && bestScore(bucket) >= low && worstScore(bucket) <= high;

const bestScore = (bucket: Bucket): number => bucket[0]!.score.value;
const worstScore = (bucket: Bucket): number => bucket.at(-1)!.score.value;
const hasGap = (bucket: Bucket): boolean => bestScore(bucket) > worstScore(bucket);

/** The value below which this share of the values lies, linear between two of them, as numpy has it. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const place = (sorted.length - 1) * share;
  const [low, high] = [sorted[Math.floor(place)]!, sorted[Math.ceil(place)]!];
  return low + (high - low) * (place - Math.floor(place));
}
