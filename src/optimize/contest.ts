import { type Candidate, candidateId } from '../core/candidate.ts';
import type { Example } from '../core/example.ts';
import type { Metric } from '../core/metric.ts';
import type { OptimizerContext, Trial } from '../core/optimizer.ts';
import { calibrationRows, rulesToTry, withChoiceRule } from './calibrate.ts';
import { judge } from './judge.ts';
import { type Racing, raceAgainst } from './race.ts';

/** A candidate with what is known of its score. */
export interface Entry extends Trial {
  /** Over the rows that it was asked. Of one that was stopped, whose `score` is null: no more than the best score at that time. */
  readonly mean: number | null;
  readonly rows: number;
}

/** Candidates judged on the same examples one after the other: a later one has to score strictly more than the best before it. */
export interface Contest {
  /** Requests that judging one candidate takes, about. */
  readonly callsEach: number;
  /**
   * Puts a child of `parent` on record and judges it; the start has no parent. One that was entered before is not judged again. Null when
   * the budget has too few calls left.
   */
  enter(candidate: Candidate, parent: Candidate | null, note: string): Promise<Entry | null>;
  best(): Entry | null;
  /** Whether the best has full marks: then no other can win. */
  isDecided(): boolean;
  trials(): readonly Trial[];
  /** Whether the budget has calls left for judging so many candidates after so many other calls; says so once when it has not. */
  affords(candidates: number, otherCalls?: number): boolean;
}

interface ContestOptions {
  readonly examples: readonly Example[];
  /** Takes an example's own demo out of the prompt while that example is asked. */
  readonly leaveOneOut: boolean;
  readonly metric: Metric | undefined;
  /** Default: true. */
  readonly stopLosers?: boolean;
  /** Default: null. */
  readonly racing?: Racing;
}

/** Val, or without one the train rows: there no example may find itself in the prompt. */
export const judgedRows = ({ val, train }: OptimizerContext): Omit<ContestOptions, 'metric'> =>
  val.length > 0 ? { examples: val, leaveOneOut: false } : { examples: train, leaveOneOut: true };

/** A contest on these examples. Children of a calibrated start are calibrated anew before they are judged. */
export function createContest(
  context: OptimizerContext,
  start: Candidate,
  { examples, leaveOneOut, metric, stopLosers = true, racing = null }: ContestOptions,
): Contest {
  // `!`: without wanted rules there is exactly one, the start's own.
  const rule = rulesToTry(null, start)[0]!;
  const calibrated = rule === null ? 0 : Math.min(calibrationRows, context.train.length);
  const callsEach = (examples.length + calibrated) * Object.keys(context.structure.predictors).length;
  const entries: Entry[] = [];
  const known = new Map<string, Entry>();
  let best: Entry | null = null;
  let bestScores: readonly number[] | undefined;
  let isBudgetOver = false;

  function affords(candidates: number, otherCalls = 0): boolean {
    if (context.callsLeft() >= candidates * callsEach + otherCalls) return true;
    if (!isBudgetOver)
      context.notice({
        code: 'budget-ends-search',
        message: 'The budget has no calls left for another candidate: the search ends with the best so far.',
      });
    isBudgetOver = true;
    return false;
  }

  async function judged(candidate: Candidate, note: string): Promise<Entry> {
    const toBeat = best?.score ?? null;
    const { evaluation, score } = await judge(context, candidate, examples, {
      toBeat: stopLosers ? toBeat : null,
      race: raceAgainst(racing, bestScores),
      leaveOneOut,
      ...(metric ? { metric } : {}),
    });
    // Who lost a race may have been asked the easier rows.
    const mean = score === null ? Math.min(evaluation.mean!, toBeat!) : score;
    const entry = { candidate, score, note, mean, rows: evaluation.rows.length };
    // Strictly better only: the earlier candidate wins ties.
    if (score === null || score <= (toBeat ?? Number.NEGATIVE_INFINITY)) return entry;
    best = entry;
    bestScores = evaluation.rows.map((row) => row.score.value);
    return entry;
  }

  return {
    callsEach,
    async enter(given, parent, note) {
      const before = known.get(candidateId(given));
      if (before) return before;
      if (!affords(1)) return null;
      const candidate = parent === null ? given : await withChoiceRule(given, rule, context);
      if (parent !== null) context.propose(candidate, [parent], note);
      const entry = await judged(candidate, note);
      entries.push(entry);
      for (const id of [candidateId(given), candidateId(candidate)]) known.set(id, entry);
      return entry;
    },
    best: () => best,
    isDecided: () => (best?.score ?? 0) >= 1,
    trials: () => entries.map(({ candidate, score, note }) => ({ candidate, score, note })),
    affords,
  };
}
