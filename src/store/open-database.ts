import { chmodSync, closeSync, mkdirSync, openSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import Database from 'better-sqlite3';
import { InputError } from '../core/errors.ts';
import { busyMs, corruptStore, databaseError, isBusy, readOnlyStore } from './database-error.ts';
import { applicationId, latestVersion, migrate, oldestVersion, versionOf } from './schema.ts';

/** Opens a store's database; makes it if there is none. A file that is not a store, or not a sound one, is refused and left as it is. */
export function openDatabase(path: string): Database.Database {
  createPrivately(path);
  refuseFolder(path);
  let database: Database.Database | undefined;
  try {
    database = new Database(path, { timeout: busyMs });
    refuseForeign(database, path);
    refuseDamaged(database, path);
    prepare(database);
    chmodSync(path, 0o600);
    return database;
  } catch (error) {
    database?.close();
    throw databaseError(error, path);
  }
}

/** A store's database that lives as long as this process. */
export function openInMemory(): Database.Database {
  const database = new Database(':memory:');
  prepare(database);
  return database;
}

function prepare(database: Database.Database): void {
  // A commit survives the death of the process. A power cut may take the last few, never the file's integrity.
  switchToWal(database);
  database.pragma('synchronous = NORMAL');
  // A checkpoint waits for the disk, about 10 ms each of three times: one for every 16 MB of log instead of every 4.
  database.pragma('wal_autocheckpoint = 4000');
  migrate(database);
}

/** Unlike everything else, the switch does not wait while another process, which may be making the same store, has the file. */
function switchToWal(database: Database.Database): void {
  for (let waitedMs = 0; ; waitedMs += 10) {
    try {
      database.pragma('journal_mode = WAL');
      return;
    } catch (error) {
      if (!isBusy(error) || waitedMs >= busyMs) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
    }
  }
}

function createPrivately(path: string): void {
  try {
    if (statSync(path, { throwIfNoEntry: false })) return;
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    // SQLite would make it readable for everybody. Its -wal and -shm files take after it.
    closeSync(openSync(path, 'a', 0o600));
  } catch (error) {
    throw readOnlyStore(path, error instanceof Error ? error.message : String(error), { cause: error });
  }
}

function refuseFolder(path: string): void {
  if (!statSync(path).isDirectory()) return;
  throw new InputError('store-is-folder', [`${path} is a folder.`], `Name a file, such as ${path}/runs.sqlite.`);
}

function refuseForeign(database: Database.Database, path: string): void {
  const id = database.pragma('application_id', { simple: true });
  const version = versionOf(database);
  if (id !== applicationId && !(id === 0 && version === 0 && isEmpty(database))) {
    throw new InputError(
      'store-of-another-application',
      [`${path} is an SQLite file, but not a store of better-together.`],
      'Name another file: a new one is made where there is none.',
    );
  }
  if (version > 0 && version < oldestVersion) {
    throw new InputError(
      'store-older',
      [`${path} was written by a better-together from before its first release (version ${version}).`],
      'Name another file, or move this one away: a new store is made, and everything is computed again.',
    );
  }
  if (version > latestVersion) {
    throw new InputError(
      'store-newer',
      [
        `${path} was written by a newer better-together: it has version ${version}, and this one knows ${latestVersion}.`,
      ],
      'Update better-together, or name another file.',
    );
  }
}

const isEmpty = (database: Database.Database): boolean =>
  database.prepare('SELECT 1 FROM sqlite_schema LIMIT 1').get() === undefined;

/** Reads the whole file: 1 ms for each megabyte (421 MB of calls: 0.46 s, warm), against hours that would build on a damaged one. */
function refuseDamaged(database: Database.Database, path: string): void {
  const finding = database.pragma('quick_check(1)', { simple: true });
  if (finding !== 'ok') throw corruptStore(path, String(finding));
}
