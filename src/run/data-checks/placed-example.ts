import type { PlacedRow } from '../../core/data-report.ts';
import type { Example } from '../../core/example.ts';

/** An example with its split and the place where a person finds it. */
export interface PlacedExample extends Omit<PlacedRow, 'id'> {
  readonly example: Example;
}

export const rowOf = ({ split, place, example: { id } }: PlacedExample): PlacedRow => ({ split, place, id });

/** A row in words. */
export const placeText = ({ place, split }: PlacedExample): string => `${place} (${split})`;

/** Members by key, keys and members in the order in which they came. */
export function groupedBy<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  return groups;
}
