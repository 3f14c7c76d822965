import type { RunEvent } from '../core/event.ts';

/** The candidate with the highest score on val so far. */
export interface Leader {
  readonly what: string;
  readonly mean: number;
}

/** Keeps the leader. Searches ask a candidate row by row: it leads only with as many rows as anyone has, never with a good beginning. */
export function followLeader(): (event: RunEvent, what: string) => Leader | null {
  const scores = new Map<string, Map<string, number>>();
  let leader: (Leader & { readonly rows: number }) | null = null;
  return (event, what) => {
    if (event.type !== 'evaluation' || event.split !== 'val') return leader;
    const known = scores.get(event.candidate) ?? new Map<string, number>();
    for (const { example, score } of event.rows) known.set(example, score);
    scores.set(event.candidate, known);
    if (known.size === 0) return leader;
    const mean = [...known.values()].reduce((sum, score) => sum + score, 0) / known.size;
    const isAhead = !leader || known.size > leader.rows || (known.size === leader.rows && mean > leader.mean);
    if (isAhead) leader = { what, mean, rows: known.size };
    return leader;
  };
}
