import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { Interrupted, WorldError } from '../core/errors.ts';
import { fileError, kept, writePrivately } from './files.ts';

/**
 * Holds a lock file for this process until the returned function is called; null while anybody holds it, this process included.
 *
 * The lock is the kernel's lock of an (empty) SQLite database: it ends with its process, however that ends, so there is nothing stale to
 * detect, no process id that another program may have got since, and no timer that a busy event loop could miss.
 */
export function tryLock(path: string): (() => void) | null {
  createOnce(path);
  const database = new Database(path, { timeout: 0 });
  try {
    database.pragma('journal_mode = MEMORY');
    database.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    if (!(error instanceof Database.SqliteError)) throw error;
    if (error.code.startsWith('SQLITE_BUSY')) return null;
    const hint = kept('Use a file system that has locks.');
    throw new WorldError('lock-failed', `${path} cannot be locked: ${error.message} (${error.code}).`, hint);
  }
  // In a file of its own: closing any other descriptor of a locked file would give the lock up (POSIX, fcntl).
  writePrivately(holderFile(path), String(process.pid));
  held.add(database);
  return () => {
    database.close();
    held.delete(database);
  };
}

// A database that nobody refers to is closed by the garbage collector, and the caller may well forget the function until the end.
const held = new Set<Database.Database>();

/** Waits for a lock until it is free; `onWait` is told once who has it. */
export async function waitForLock(
  path: string,
  { signal, onWait }: { readonly signal?: AbortSignal | undefined; onWait?(holder: string): void },
): Promise<() => void> {
  for (let isFirstTry = true; ; isFirstTry = false) {
    if (signal?.aborted) throw new Interrupted();
    const release = tryLock(path);
    if (release) return release;
    if (isFirstTry) onWait?.(lockHolder(path));
    await delay(200);
  }
}

/** The process that holds a lock that was found taken, or the last one that did; for messages. */
export const lockHolder = (path: string): string =>
  existsSync(holderFile(path)) ? readFileSync(holderFile(path), 'utf8') : 'unknown';

const holderFile = (path: string): string => `${path}.pid`;

function createOnce(path: string): void {
  try {
    closeSync(openSync(path, 'wx', 0o600));
  } catch (error) {
    if (!existsSync(path)) throw fileError(error, path);
  }
}
