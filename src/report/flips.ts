import type { ScoredRow } from '../core/event.ts';
import type { PairedDifference } from '../core/summary.ts';
import type { Statistics } from './statistics.ts';

/** An example on which two candidates have different scores. */
export interface Flip {
  readonly example: string;
  readonly before: number;
  readonly after: number;
}

/** Two candidates on the examples that both were measured on. */
export interface RowComparison {
  readonly shared: number;
  readonly paired: PairedDifference | null;
  readonly flips: readonly Flip[];
}

export function compareRows(
  before: readonly ScoredRow[],
  after: readonly ScoredRow[],
  { paired }: Pick<Statistics, 'paired'>,
): RowComparison {
  const earlier = new Map(before.map(({ example, score }) => [example, score]));
  const shared = after.flatMap(({ example, score }): Flip[] => {
    const was = earlier.get(example);
    return was === undefined ? [] : [{ example, before: was, after: score }];
  });
  return {
    shared: shared.length,
    paired: paired(
      shared.map((row) => row.before),
      shared.map((row) => row.after),
    ),
    flips: shared.filter((row) => row.before !== row.after),
  };
}
