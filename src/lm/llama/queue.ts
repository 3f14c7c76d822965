import type { AdapterFile } from '../../core/lm.ts';
import type { Prefix } from './prefix.ts';

export interface Queued {
  readonly adapter: AdapterFile | null;
  readonly prefix: Prefix;
}

/** Waiting items with the same weights and the same prefix, oldest first. */
export interface Group<Item> extends Queued {
  readonly items: Item[];
}

/** How many items a group may send in a row while another group waits. */
const turnLength = 64;

/** Serves group after group, because changing the weights or the prefix costs time; a long group lets the others through between turns. */
export function createQueue<Item extends Queued>() {
  const groups = new Map<string, Group<Item>>();
  let left = turnLength;

  const first = (): [string, Group<Item>] | undefined => groups.entries().next().value;

  return {
    isWaiting: () => groups.size > 0,

    add(item: Item): void {
      const key = `${item.adapter?.sha256 ?? ''}|${item.prefix.key}`;
      const group = groups.get(key);
      if (group) group.items.push(item);
      else groups.set(key, { adapter: item.adapter, prefix: item.prefix, items: [item] });
    },

    /** The group whose turn it is. */
    turn(): Group<Item> | undefined {
      const entry = first();
      if (left > 0 || !entry) return entry?.[1];
      left = turnLength;
      const [key, group] = entry;
      groups.delete(key);
      groups.set(key, group);
      return first()?.[1];
    },

    /** Its next item. */
    take(): Item {
      const [key, group] = first()!;
      left--;
      const item = group.items.shift()!;
      if (group.items.length === 0) {
        groups.delete(key);
        left = turnLength;
      }
      return item;
    },

    /** All items of the group whose turn it is, out of the queue. */
    dropTurn(): Item[] {
      const [key, group] = first()!;
      groups.delete(key);
      left = turnLength;
      return group.items;
    },
  };
}
