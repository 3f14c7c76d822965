import { rm } from 'node:fs/promises';
import type { LlamaContextSequence } from 'node-llama-cpp';

/** Evaluated prefixes in files, which is the way from one slot to the others: a copy takes milliseconds where computing takes seconds. */
export interface PrefixStates {
  has(key: string): boolean;
  /** Puts a copy that is there into an empty sequence. */
  load(key: string, sequence: LlamaContextSequence): Promise<void>;
  save(key: string, sequence: LlamaContextSequence): Promise<void>;
}

// A prefix of 250 tokens is 6 MB for the default model, and a search goes back and forth between a few.
const filesKept = 8;

export function createPrefixStates(pathStart: string): PrefixStates {
  const paths = new Map<string, string>();
  let count = 0;

  async function keep(key: string, path: string): Promise<void> {
    paths.delete(key);
    paths.set(key, path);
    const [oldest] = paths;
    if (paths.size <= filesKept || !oldest) return;
    paths.delete(oldest[0]);
    await rm(oldest[1], { force: true });
  }

  return {
    has: (key) => paths.has(key),
    async load(key, sequence) {
      const path = paths.get(key);
      if (path === undefined) throw new TypeError('There is no copy of this prefix');
      // A truncated file would abort the process; this one was written whole, by this process.
      await sequence.loadStateFromFile(path, { acceptRisk: true });
      await keep(key, path);
    },
    async save(key, sequence) {
      const path = `${pathStart}-${count++}.state`;
      try {
        await sequence.saveStateToFile(path);
      } catch {
        // No room, perhaps. The other slots compute the prefix themselves, to the same bytes.
        return rm(path, { force: true });
      }
      await keep(key, path);
    },
  };
}
