import { shortId } from '../../core/json.ts';
import { readArchive, writeArchive } from '../../store/run-archive.ts';
import { existingStore } from '../existing-store.ts';
import { findRun } from '../find-run.ts';
import type { Output } from '../output.ts';

/** Writes a run into one file. */
export function exportArchive(
  id: string,
  { store: path, archive }: { readonly store: string; readonly archive: string },
  output: Output,
): void {
  const store = existingStore(path);
  try {
    const { id: run } = findRun(store, id);
    writeArchive(path, run, archive);
    const calls = store.callTotals(run).made;
    output.result({ run, archive, calls }, () => `run ${shortId(run)} with ${calls} calls in ${archive}`);
  } finally {
    store.close();
  }
}

/** Takes the run of an archive into a store. */
export function importArchive(archive: string, storePath: string, output: Output): void {
  const run = readArchive(archive, storePath);
  output.result({ run, store: storePath }, () => `run ${shortId(run)} is in ${storePath} now`);
}
