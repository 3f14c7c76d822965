import type { RunEvent } from '../core/event.ts';
import type { ScoreRow } from './winner.ts';

/** The scores on val of every candidate that any step measured there, by the candidate's id, in the order of the examples. */
export function valScores(events: readonly RunEvent[], examples: readonly string[]): ReadonlyMap<string, ScoreRow> {
  const known = new Map<string, Map<string, number>>();
  for (const event of events) {
    if (event.type !== 'evaluation' || event.split !== 'val' || event.aside) continue;
    const scores = known.get(event.candidate) ?? new Map<string, number>();
    for (const { example, score } of event.rows) scores.set(example, score);
    known.set(event.candidate, scores);
  }
  return new Map([...known].map(([id, scores]) => [id, examples.map((example) => scores.get(example) ?? null)]));
}
