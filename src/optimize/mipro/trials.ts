import { type Candidate, candidateId } from '../../core/candidate.ts';
import type { Example } from '../../core/example.ts';
import type { Evaluation, Metric } from '../../core/metric.ts';
import type { OptimizerContext } from '../../core/optimizer.ts';
import { calibrationRows } from '../calibrate.ts';
import { judge } from '../judge.ts';
import { type Racing, raceAgainst } from '../race.ts';
import type { Combination, Observation } from '../tpe.ts';
import type { CallMeter } from './calls.ts';
import type { Space } from './space.ts';

/** One scoring of one candidate. */
interface TrialLog {
  readonly kind: 'full' | 'minibatch';
  readonly candidate: string;
  readonly note: string;
  readonly rows: number;
  /** Over these rows. */
  readonly mean: number;
  /** It was stopped as soon as it could not score more than the best any more, or its race was lost. */
  readonly wasStopped: boolean;
  /** Calls of the whole optimizer up to and with this one. */
  readonly callsSoFar: number;
}

/** A candidate with all its scores. */
interface Tried {
  readonly candidate: Candidate;
  readonly note: string;
  readonly minibatchScores: readonly number[];
  /** On all rows; null before that. `score` is null when it was stopped, and `mean` is over the rows that were asked until then. */
  readonly full: { readonly score: number | null; readonly mean: number } | null;
}

interface Scoring {
  /** The candidate with the new score among the others. */
  readonly scored: Tried;
  /** Null for a start that is not among the combinations. */
  readonly combination: Combination | null;
  readonly evaluation: Evaluation;
  readonly kind: TrialLog['kind'];
}

export interface TrialsOrder {
  readonly start: Candidate;
  /** On all rows. */
  readonly startEvaluation: Evaluation;
  readonly space: Space;
  readonly rows: readonly Example[];
  readonly leaveOneOut: boolean;
  readonly metric: Metric | undefined;
  readonly meter: CallMeter;
  readonly stopping: { readonly stopLosers: boolean; readonly racing: Racing };
  /** Calls that one run of the program takes at most. */
  readonly callsEach: number;
}

/** What was tried, and the two ways to try something. */
export interface Trials {
  scoreOn(minibatch: readonly Example[], combination: Combination): Promise<void>;
  /** Stops as soon as the candidate cannot score more than the best, or its race is lost. */
  scoreInFull(combination: Combination): Promise<void>;
  /** The combination with the highest mean over its minibatches among those that were not scored in full; ties to the earlier. */
  mostPromising(): Combination | null;
  isUntried(combination: Combination): boolean;
  /** Not yet scored in full: only of these there is something to learn. */
  isOpen(combination: Combination): boolean;
  /** Calls that scoring takes on so many rows. */
  callsFor(combination: Combination, rows: number): number;
  observations(): readonly Observation[];
  best(): Tried;
  /** In the order in which they were first tried: the start is the first. */
  all(): readonly Tried[];
  log(): readonly TrialLog[];
}

export function createTrials(context: OptimizerContext, order: TrialsOrder): Trials {
  const { start, startEvaluation, space, rows, meter, callsEach } = order;
  const options = { leaveOneOut: order.leaveOneOut, ...(order.metric ? { metric: order.metric } : {}) };
  const observations: Observation[] = [];
  const log: TrialLog[] = [];
  // Two combinations may come to the same candidate: what was found out about it holds for both.
  const ids = new Map<string, string>();
  const tried = new Map<string, Tried>();
  const keyOf = (combination: Combination) => combination.join();
  const known = (combination: Combination) => tried.get(ids.get(keyOf(combination)) ?? '');

  function record({ scored, combination, evaluation, kind }: Scoring): void {
    const id = candidateId(scored.candidate);
    // `!`: no evaluation here is over no rows.
    const mean = evaluation.mean!;
    tried.set(id, scored);
    if (combination) {
      ids.set(keyOf(combination), id);
      observations.push({ combination, score: mean });
    }
    const callsSoFar = Object.values(meter.counts()).reduce((sum, calls) => sum + calls, 0);
    const wasStopped = kind === 'full' && scored.full?.score === null;
    log.push({ kind, candidate: id, note: scored.note, rows: evaluation.rows.length, mean, wasStopped, callsSoFar });
  }
  const full = { score: startEvaluation.mean, mean: startEvaluation.mean! };
  let best: Tried = { candidate: start, note: 'start', minibatchScores: [], full };
  let bestScores = scoresOf(startEvaluation);
  record({ scored: best, combination: space.start, evaluation: startEvaluation, kind: 'full' });

  async function begun(combination: Combination): Promise<Tried> {
    const before = known(combination);
    if (before) return before;
    const candidate = await space.build(combination);
    const id = candidateId(candidate);
    ids.set(keyOf(combination), id);
    const same = tried.get(id);
    if (same) return same;
    const note = space.note(combination);
    context.propose(candidate, [start], note);
    const fresh: Tried = { candidate, note, minibatchScores: [], full: null };
    tried.set(id, fresh);
    return fresh;
  }

  /** Whether all is known about it already; the search is told once more. */
  function isSettled({ full: settled }: Tried, combination: Combination): boolean {
    if (settled) observations.push({ combination, score: settled.mean });
    return settled !== null;
  }

  return {
    async scoreOn(minibatch, combination) {
      const entry = await begun(combination);
      if (isSettled(entry, combination)) return;
      const evaluation = await meter.of('minibatches', context).evaluate(entry.candidate, minibatch, options);
      const scored = { ...entry, minibatchScores: [...entry.minibatchScores, evaluation.mean!] };
      record({ scored, combination, evaluation, kind: 'minibatch' });
    },
    async scoreInFull(combination) {
      const entry = await begun(combination);
      if (isSettled(entry, combination)) return;
      const toBeat = best.full!.score;
      const { evaluation, score } = await judge(meter.of('fullEvaluations', context), entry.candidate, rows, {
        toBeat: order.stopping.stopLosers ? toBeat : null,
        race: raceAgainst(order.stopping.racing, bestScores),
        ...options,
      });
      const scored = { ...entry, full: { score, mean: evaluation.mean! } };
      record({ scored, combination, evaluation, kind: 'full' });
      // Strictly more only: the earlier candidate wins ties, the start before all.
      if (score === null || score <= toBeat!) return;
      best = scored;
      bestScores = scoresOf(evaluation);
    },
    mostPromising() {
      let found: { readonly combination: Combination; readonly mean: number } | null = null;
      for (const { combination } of observations) {
        const entry = known(combination)!;
        const mean = meanOf(entry.minibatchScores);
        if (entry.full === null && (found === null || mean > found.mean)) found = { combination, mean };
      }
      return found?.combination ?? null;
    },
    isUntried: (combination) => known(combination) === undefined,
    isOpen: (combination) => !known(combination)?.full,
    callsFor(combination, count) {
      const isNew = known(combination) === undefined;
      const calibrated = isNew && space.isCalibrated(combination) ? Math.min(calibrationRows, context.train.length) : 0;
      return (count + calibrated) * callsEach;
    },
    observations: () => observations,
    best: () => best,
    all: () => [...tried.values()],
    log: () => log,
  };
}

const scoresOf = ({ rows }: Evaluation): number[] => rows.map(({ score }) => score.value);

export const meanOf = (numbers: readonly number[]): number =>
  numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
