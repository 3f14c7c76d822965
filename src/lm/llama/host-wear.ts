import { adapterOf, type Work } from './protocol.ts';

// Adapters stay in memory as long as the model they were loaded onto: 17 MB each for rank 16 on the default model.
const adaptersPerHost = 20;
// By then both contexts are open and the heap has its size. Also what a host is good for at least, whatever its memory does.
const answersUntilWarm = 200;
const growthAllowed = 1.5;

/** What one host process has been through: which adapters it was given, and how its memory has grown. */
export function createHostWear() {
  const sha256ByPath = new Map<string, string>();
  let answers = 0;
  let warmBytes: number | null = null;
  let isWorn = false;

  return {
    /** Whether this host can do the work. A new adapter needs a place; and a path stands for the content it had when first loaded. */
    isFor(work: Work): boolean {
      if (isWorn) return false;
      const adapter = adapterOf(work);
      if (!adapter) return true;
      const { path, sha256 } = adapter;
      const known = sha256ByPath.get(path);
      return known === undefined ? sha256ByPath.size < adaptersPerHost : known === sha256;
    },
    take(work: Work): void {
      const adapter = adapterOf(work);
      if (adapter) sha256ByPath.set(adapter.path, adapter.sha256);
    },
    answered(): void {
      answers++;
    },
    /** What the process says of itself. Half as much again as when it was warm is more than its work explains: memory is being lost. */
    weighed(bytes: number): void {
      if (answers < answersUntilWarm) return;
      warmBytes ??= bytes;
      isWorn ||= bytes > growthAllowed * warmBytes;
    },
  };
}
