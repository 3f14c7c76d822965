import { type Candidate, candidateId } from '../core/candidate.ts';
import type { RunEvent } from '../core/event.ts';
import type { ScoreInterval } from '../core/summary.ts';
import type { EvaluatedRows } from './evaluated-rows.ts';
import type { Statistics } from './statistics.ts';

/** A candidate that a run knew: the baseline, or one that a step proposed. */
export interface TriedCandidate {
  readonly id: string;
  /** In the order in which they came, the baseline is 0. */
  readonly number: number;
  readonly step: number;
  readonly note: string;
  readonly candidate: Candidate;
  readonly parents: readonly string[];
  /** On as many examples of val as it was measured on; null where it was not. */
  readonly val: ScoreInterval | null;
}

/** Every candidate of a run, each once. */
export function triedCandidates(
  events: readonly RunEvent[],
  baseline: Candidate,
  rows: EvaluatedRows,
  { interval }: Pick<Statistics, 'interval'>,
): readonly TriedCandidate[] {
  const tried = new Map<string, Omit<TriedCandidate, 'number' | 'val'>>();
  const id = candidateId(baseline);
  tried.set(id, { id, step: 0, note: 'baseline', candidate: baseline, parents: [] });
  for (const event of events) {
    if (event.type !== 'candidate-proposed' || tried.has(event.id)) continue;
    const { id: proposed, step, note, candidate, parents } = event;
    tried.set(proposed, { id: proposed, step, note, candidate, parents });
  }
  return [...tried.values()].map((one, number) => ({
    ...one,
    number,
    val: interval(rows('val', one.id).map(({ score }) => score)),
  }));
}
