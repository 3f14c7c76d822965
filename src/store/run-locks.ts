import { join } from 'node:path';
import { WorldError } from '../core/errors.ts';
import { shortId } from '../core/json.ts';
import { privateFolder } from '../system/files.ts';
import { lockHolder, tryLock } from '../system/lock.ts';

/** Holds a run until the returned function is called; throws while anybody holds it. */
export type HoldRun = (id: string) => () => void;

/** Runs of a store that other processes can open: each has a lock file in this folder. */
export const locksInFolder =
  (folder: string): HoldRun =>
  (id) => {
    const path = join(privateFolder(folder), `${id}.lock`);
    const release = tryLock(path);
    if (release) return release;
    throw runHeld(id, lockHolder(path));
  };

/** Runs of a store that is this process's own: nobody else can see it, and nothing is left when the process is killed. */
export function locksInMemory(): HoldRun {
  const held = new Set<string>();
  return (id) => {
    if (held.has(id)) throw runHeld(id, String(process.pid));
    held.add(id);
    return () => void held.delete(id);
  };
}

const runHeld = (id: string, holder: string): WorldError =>
  new WorldError(
    'run-held',
    `Run ${shortId(id)} is being executed by process ${holder} already.`,
    'Wait until that process has ended, or stop it, and run the same command again.',
  );
