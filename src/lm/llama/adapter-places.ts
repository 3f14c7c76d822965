import type { Work } from './protocol.ts';

// Adapters stay in memory as long as the model they were loaded onto: 17 MB each for rank 16 on the default model.
const adaptersPerHost = 20;

/** The adapters that one host process was given. */
export function createAdapterPlaces() {
  const sha256ByPath = new Map<string, string>();
  return {
    /** Whether this host can do the work. A new adapter needs a place; and a path stands for the content it had when first loaded. */
    isFor(work: Work): boolean {
      if (work.kind === 'encode' || !work.adapter) return true;
      const { path, sha256 } = work.adapter;
      const known = sha256ByPath.get(path);
      return known === undefined ? sha256ByPath.size < adaptersPerHost : known === sha256;
    },
    take(work: Work): void {
      if (work.kind !== 'encode' && work.adapter) sha256ByPath.set(work.adapter.path, work.adapter.sha256);
    },
  };
}
