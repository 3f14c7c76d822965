import { candidateId } from '../core/candidate.ts';
import type { RunEvent } from '../core/event.ts';
import type { Example } from '../core/example.ts';
import type { SelectionRule, SelectionSummary } from '../core/summary.ts';
import { chanceAmongMany } from '../evaluate/chance-among-many.ts';
import { pairedDifference } from '../evaluate/paired.ts';
import { valScores } from '../evaluate/val-scores.ts';
import { type ScoreRow, winnerScore } from '../evaluate/winner.ts';
import type { Measured } from './measured.ts';

/** A gain that the best of all that were tried shows more often than this, when none is better, is none. */
const level = 0.05;

/** What a run picked, and how. */
export interface Selection {
  readonly chosen: Measured;
  /** Null without a val split. */
  readonly summary: SelectionSummary | null;
}

/**
 * Picks among the baseline and the results of the steps, in this order; without a val split the latest. What the steps tried on their way
 * counts in what a score is worth: a result is the best of all that.
 */
export function select(
  candidates: readonly Measured[],
  rule: SelectionRule,
  events: readonly RunEvent[],
  val: readonly Example[],
): Selection {
  if (val.length === 0) return { chosen: candidates.at(-1)!, summary: null };
  const scores = valScores(
    beforeChoice(events),
    val.map(({ id }) => id),
  );
  const chosen = rule === 'best-mean' ? bestMean(candidates) : firstNotBeaten(candidates, scores);
  return { chosen, summary: summaryOf(candidates[0]!, chosen, rule, scores) };
}

/** An earlier start may have come further: what it measured after its choice had no part in it. */
function beforeChoice(events: readonly RunEvent[]): readonly RunEvent[] {
  const end = events.findIndex(({ type }) => type === 'crossed' || type === 'chosen');
  return end === -1 ? events : events.slice(0, end);
}

/** Ties to the earlier. */
const bestMean = (candidates: readonly Measured[]): Measured =>
  candidates.reduce((a, b) => (meanOf(b) > meanOf(a) ? b : a));

const firstNotBeaten = (candidates: readonly Measured[], scores: ReadonlyMap<string, ScoreRow>): Measured =>
  candidates.reduce((kept, later) =>
    meanOf(later) > meanOf(kept) && chanceOf(kept, later, scores) <= level ? later : kept,
  );

const chanceOf = (before: Measured, after: Measured, scores: ReadonlyMap<string, ScoreRow>): number =>
  chanceAmongMany(rowOf(before), rowOf(after), [...scores.values()]);

function summaryOf(
  baseline: Measured,
  chosen: Measured,
  rule: SelectionRule,
  scores: ReadonlyMap<string, ScoreRow>,
): SelectionSummary {
  const isBaseline = candidateId(chosen.candidate) === candidateId(baseline.candidate);
  const means = [...scores.values()].flatMap((row) => meanOfComplete(row) ?? []);
  return {
    rule,
    judged: scores.size,
    corrected: meanOf(chosen) >= Math.max(...means) - 1e-12 ? winnerScore([...scores.values()]) : null,
    gain: isBaseline ? null : pairedDifference(rowOf(baseline), rowOf(chosen)),
    chanceAmongAll: isBaseline ? null : chanceOf(baseline, chosen, scores),
  };
}

const meanOf = ({ val }: Measured): number => val?.mean ?? 0;
const rowOf = ({ val }: Measured): number[] => val?.rows.map(({ score }) => score.value) ?? [];

function meanOfComplete(row: ScoreRow): number | null {
  const known = row.filter((score) => score !== null);
  return known.length < row.length ? null : known.reduce((sum, score) => sum + score, 0) / row.length;
}
