import type { Candidate } from '../../core/candidate.ts';
import { type Scores, sumOf } from './front.ts';

/** A candidate that was measured on every val row. */
export interface Member {
  readonly candidate: Candidate;
  /** Positions in the pool: none for the start, two for a merge. */
  readonly parents: readonly number[];
  readonly scores: Scores;
  /** Metric calls that were made before this one was found. */
  readonly discoveredAt: number;
}

/** Everyone that a member descends from. A member stands behind its parents in the pool. */
export function ancestorsOf(pool: readonly Member[], member: number): ReadonlySet<number> {
  const found = new Set<number>();
  const open = [...pool[member]!.parents];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (found.has(next)) continue;
    found.add(next);
    open.push(...pool[next]!.parents);
  }
  return found;
}

/** Scores on some of the val rows, added up. */
export const sumOn = (scores: Scores, rows: readonly number[]): number => sumOf(rows.map((row) => scores[row]!));
