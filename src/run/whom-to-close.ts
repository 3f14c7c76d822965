import type { MemoryNeed } from '../core/lm.ts';

/** A model that holds memory of a GPU. `lastUse` counts uses: the smaller, the longer ago. */
export interface Holder {
  readonly bytes: number;
  readonly lastUse: number;
}

/**
 * The models to close, so that another one finds room: nobody while the estimates fit together, else the least recently used, one after the
 * other. All of them where even that is not enough: llama.cpp has the last word about what fits.
 */
export function whomToClose<Model extends Holder>({ bytes, freeBytes }: MemoryNeed, open: readonly Model[]): Model[] {
  const oldestFirst = open.toSorted((a, b) => a.lastUse - b.lastUse);
  const closed: Model[] = [];
  let free = freeBytes;
  for (const model of oldestFirst) {
    if (bytes <= free) break;
    closed.push(model);
    free += model.bytes;
  }
  return closed;
}
