import { callable, type Program } from './callable.ts';
import { BetterTogetherError, InputError } from './errors.ts';
import type { RunResult, RunStrategy, Task, Variation } from './program.ts';

/** Judges what came out where there are no labels: from 0 to 1, higher is better. */
export type Reward<I, O> = (inputs: I, outputs: O) => number | Promise<number>;

export interface AttemptOptions<I, O> {
  /** Attempts at most. */
  readonly n: number;
  readonly metric: Reward<I, O>;
  /** A reward that is enough: no further attempt is made. Default: 1, full marks. */
  readonly threshold?: number;
  /** Attempts of one call that may fail; one more, and its failure is thrown. Default: all, and the last failure is thrown when all do. */
  readonly failCount?: number;
}

/**
 * The program's best of up to n attempts (DSPy's BestOfN): the first as the caller wants it, by default greedy, the others at temperature 1
 * with a seed each. Ties go to the earlier. Equal inputs have equal answers. It is a program like any other, on the same candidate: what
 * evaluates or optimizes it makes all attempts for each example, and sees the calls of the best one.
 */
export const bestOfN = <I, O>(program: Program<I, O>, options: AttemptOptions<I, O>): Program<I, O> =>
  withAttempts('bestOfN', program, options, async () => ({}));

/** An attempt with its reward; of one that failed that is 0. */
export interface Rewarded {
  readonly result: RunResult;
  readonly reward: number;
}

/** What to tell the next attempt about this one. */
export type Advise = (attempt: Rewarded, task: Task) => Promise<Variation['hints']>;

/** Attempts one after the other until one is good enough; each but the first is told what `advise` has to say about the one before. */
export function withAttempts<I, O>(
  name: string,
  { structure: of, drafts, models, adapters, embeddings }: Program<I, O>,
  options: AttemptOptions<I, O>,
  advise: Advise,
): Program<I, O> {
  const { n, metric, threshold = 1, failCount = n } = checked(name, options);
  const decide: RunStrategy['decide'] = async (task) => {
    const attempts: Rewarded[] = [];
    for (let number = 0; number < n; number++) {
      const hints = number === 0 ? {} : await advise(attempts.at(-1)!, task);
      const result = await task.attempt({ sampling: samplingOf(number, task), hints });
      const attempt = await rewarded(result, task, metric);
      attempts.push(attempt);
      if (attempts.filter(isFailed).length > failCount) return attempt.result;
      if (!isFailed(attempt) && attempt.reward >= threshold) break;
    }
    return bestOf(attempts).result;
  };
  const identity = { name, n, threshold, failCount, metric: metric.toString() };
  return callable({ structure: { ...of, strategy: { identity, of, decide } }, drafts, models, adapters, embeddings });
}

const isFailed = ({ result }: Rewarded): boolean => result.failure !== null;

/** Ties to the earlier. When all failed, the last. */
function bestOf(attempts: readonly Rewarded[]): Rewarded {
  const answered = attempts.filter((attempt) => !isFailed(attempt));
  const highest = Math.max(...answered.map(({ reward }) => reward));
  return answered.find(({ reward }) => reward === highest) ?? attempts.at(-1)!;
}

// Seeds follow on the caller's, so that another seed gives other attempts.
const samplingOf = (number: number, { sampling }: Task): Variation['sampling'] =>
  number === 0 ? {} : { temperature: 1, seed: (sampling.seed ?? 0) + number };

/** What the metric throws makes an attempt fail, unless the world broke while it was judging. */
async function rewarded<I, O>(result: RunResult, { inputs }: Task, metric: Reward<I, O>): Promise<Rewarded> {
  if (result.failure) return { result, reward: 0 };
  try {
    // `as`: the program's inputs and outputs are what its own metric expects.
    const reward = await metric(inputs as I, result.outputs as O);
    if (!Number.isFinite(reward)) throw new TypeError(`The metric returned ${reward}, not a number from 0 to 1.`);
    return { result, reward };
  } catch (thrown) {
    const isWorldError =
      thrown instanceof BetterTogetherError || (thrown instanceof Error && thrown.name === 'AbortError');
    if (isWorldError) throw thrown;
    const message = thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown);
    return { result: { ...result, outputs: null, failure: { kind: 'metric-error', message }, thrown }, reward: 0 };
  }
}

function checked<T extends Pick<AttemptOptions<never, never>, 'n' | 'threshold' | 'failCount'>>(
  name: string,
  options: T,
): T {
  const { n, threshold = 1, failCount = 0 } = options;
  const mistakes = [
    Number.isInteger(n) && n >= 1 ? '' : `${name}.n is ${n}: it is a number of attempts, at least 1.`,
    threshold >= 0 && threshold <= 1 ? '' : `${name}.threshold is ${threshold}: rewards are from 0 to 1.`,
    Number.isInteger(failCount) && failCount >= 0
      ? ''
      : `${name}.failCount is ${failCount}: it is a number of attempts.`,
  ].filter((mistake) => mistake !== '');
  if (mistakes.length > 0) throw new InputError('strategy-options', mistakes, 'For example: { n: 3, metric }.');
  return options;
}
