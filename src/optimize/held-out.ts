import type { TrainingRow } from '../core/data-set.ts';
import type { Rng } from '../core/rng.ts';

/**
 * Marks a share of the rows as held out: of every label as large a share as whole examples allow, and all rows of an example, so that
 * nothing of one is on both sides.
 */
export function holdOut(rows: readonly TrainingRow[], share: number, rng: Rng): TrainingRow[] {
  const examples = new Map<string, TrainingRow>();
  for (const row of rows) if (!examples.has(row.example)) examples.set(row.example, row);
  const byLabel = rng.shuffle([...examples.values()]).toSorted(byText(labelKey));
  // Every n-th through one label after the other: no label is rounded by itself, so that rare ones count too.
  const taken = byLabel.filter((_, index) => reachesNext(index, share));
  const held = new Set(taken.map(({ example }) => example));
  return rows.map((row) => (held.has(row.example) ? { ...row, heldOut: true } : row));
}

const byText =
  <Item>(text: (item: Item) => string) =>
  (a: Item, b: Item): number =>
    text(a) < text(b) ? -1 : Number(text(a) > text(b));

const labelKey = ({ predictor, label }: TrainingRow): string => JSON.stringify([predictor, label]);

/** Whether the count of those taken goes up with this one, when each adds its share. */
const reachesNext = (index: number, share: number): boolean =>
  Math.floor((index + 1) * share + 0.5) > Math.floor(index * share + 0.5);
