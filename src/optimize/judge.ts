import { z } from 'zod';
import { type Candidate, candidateId } from '../core/candidate.ts';
import type { Example } from '../core/example.ts';
import { type Evaluation, evaluationOf, type Row } from '../core/metric.ts';
import type { EvaluateOptions, OptimizerContext } from '../core/optimizer.ts';
import { isLost, type Race } from './race.ts';

/** Stops judging a candidate when full marks on all examples left would not let it win; its trial then has no score. */
export const stopLosers = z.boolean().default(true);

export interface Judgement {
  readonly evaluation: Evaluation;
  /** Null when it was stopped: then it is known, or in a race as sure as was asked for, that it would not have won. */
  readonly score: number | null;
}

interface JudgeOptions extends EvaluateOptions {
  /** The score that the candidate needs more than; null: all examples are asked, but for a race. */
  readonly toBeat: number | null;
  readonly race?: Race | null;
  /**
   * The scores of the candidate to beat, example by example: for who needs no score of the losers. What it had wrong is asked first, since
   * a candidate that has the same wrong cannot win, and looks are taken early.
   */
  readonly scoresToBeat?: readonly number[] | undefined;
}

/** Rows between two looks: enough to fill a host's sequences several times over. */
const rowsBetweenLooks = 32;

/** A race is often decided earlier. */
const rowsBetweenLooksOfRace = 16;

/** Where the hardest rows are asked first, most losers have lost after a few: a sixteenth of all rows, in fours. */
const rowsBetweenEarlyLooks = (count: number): number => 4 * Math.min(8, Math.max(1, Math.round(count / 64)));

/**
 * Evaluates a candidate that has to score more than `toBeat`, and stops as soon as full marks on all the rows that are left would not be
 * enough, or its race is lost. The first is exact for scores in [0, 1], which is what a metric promises; beyond them all rows are asked.
 */
export async function judge(
  context: OptimizerContext,
  candidate: Candidate,
  examples: readonly Example[],
  { toBeat, race = null, scoresToBeat, ...options }: JudgeOptions,
): Promise<Judgement> {
  if (toBeat === null && race === null) {
    const evaluation = await context.evaluate(candidate, examples, options);
    return { evaluation, score: evaluation.mean };
  }
  const places = [...examples.keys()];
  // A race's bound holds for rows in random order, whatever order the data are in.
  const order = race
    ? context.rng.fork(`race/${candidateId(candidate)}`).shuffle(places)
    : hardestFirst(places, scoresToBeat);
  const size = race ? rowsBetweenLooksOfRace : scoresToBeat ? rowsBetweenEarlyLooks(examples.length) : rowsBetweenLooks;
  const rows: Row[] = [];
  let id = '';
  for (let start = 0; start < order.length; start += size) {
    const part = order.slice(start, start + size).map((place) => examples[place]!);
    const evaluated = await context.evaluate(candidate, part, options);
    rows.push(...evaluated.rows);
    id = evaluated.candidate;
    if (rows.length < order.length && (cannotWin(rows, order, toBeat) || hasLost(rows, order, race)))
      return { evaluation: evaluationOf(id, rows), score: null };
  }
  const inOrder = rows.map((row, index) => ({ row, place: order[index]! })).toSorted((a, b) => a.place - b.place);
  const evaluation = evaluationOf(
    id,
    inOrder.map(({ row }) => row),
  );
  return { evaluation, score: evaluation.mean };
}

const hardestFirst = (places: readonly number[], scores: readonly number[] | undefined): readonly number[] =>
  scores ? places.toSorted((a, b) => scores[a]! - scores[b]!) : places;

function cannotWin(rows: readonly Row[], order: readonly number[], toBeat: number | null): boolean {
  const values = rows.map(({ score }) => score.value);
  const most = values.reduce((sum, value) => sum + value, 0) + (order.length - values.length);
  return toBeat !== null && Math.max(...values) <= 1 && most / order.length <= toBeat;
}

function hasLost(rows: readonly Row[], order: readonly number[], race: Race | null): boolean {
  if (race === null) return false;
  const best = race.best;
  const areInBounds = [...best, ...rows.map(({ score }) => score.value)].every((value) => value >= 0 && value <= 1);
  const differences = rows.map(({ score }, index) => score.value - best[order[index]!]!);
  return areInBounds && isLost(differences, order.length, race.confidence);
}
