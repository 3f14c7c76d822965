import { createHash } from 'node:crypto';
import type { RunEvent } from '../core/event.ts';
import { canonicalJson, type Json } from '../core/json.ts';
import type { Store } from '../core/store.ts';

export interface Recorder {
  /** Stores an event, then shows it. A resumed run records its past again: the store checks that it is the same. */
  record(event: RunEvent): void;
  /** What an earlier start recorded at the place of the next event. */
  upcoming(): RunEvent | undefined;
  /** sha256 over the events so far, in order. */
  digest(): string;
}

export function recorder(store: Store, run: string, show: (event: RunEvent) => void): Recorder {
  const hash = createHash('sha256');
  const past = store.events(run);
  let index = 0;
  return {
    record(event) {
      store.addEvent(run, index++, event);
      // `as`: events are plain data.
      hash.update(`${canonicalJson(event as unknown as Json)}\n`);
      show(event);
    },
    upcoming: () => past[index],
    digest: () => hash.copy().digest('hex'),
  };
}
