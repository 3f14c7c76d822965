import type { RunEvent, ScoredRow } from '../core/event.ts';
import type { SplitName } from '../core/example.ts';

/** The rows of a candidate on a split, as they were last measured on the most examples; none where it was not measured. */
export type EvaluatedRows = (split: SplitName, candidate: string) => readonly ScoredRow[];

export function evaluatedRows(events: readonly RunEvent[]): EvaluatedRows {
  const known = new Map<string, readonly ScoredRow[]>();
  for (const event of events) {
    if (event.type !== 'evaluation' || event.aside) continue;
    const place = placeOf(event.split, event.candidate);
    if (event.rows.length >= (known.get(place)?.length ?? 0)) known.set(place, event.rows);
  }
  return (split, candidate) => known.get(placeOf(split, candidate)) ?? [];
}

const placeOf = (split: SplitName, candidate: string): string => `${split} ${candidate}`;
