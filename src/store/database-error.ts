import Database from 'better-sqlite3';
import { InputError, WorldError } from '../core/errors.ts';
import { kept } from '../system/files.ts';

/** What a person does about a store whose content cannot be trusted any more. */
const replace =
  'Put a backup in its place, or move it away together with its -wal and -shm files: a new store is made, and everything is computed again.';

/** SQLite's error in our words; any other error is returned as it is. */
export function databaseError(error: unknown, path: string): unknown {
  if (!(error instanceof Database.SqliteError)) return error;
  const cause = { cause: error };
  // Extended codes, such as SQLITE_IOERR_WRITE, tell a cause inside the family that their second word names.
  switch (error.code.split('_', 2).join('_')) {
    case 'SQLITE_NOTADB':
      return new InputError('store-not-sqlite', [`${path} is not an SQLite file.`], 'Name another file.', cause);
    case 'SQLITE_CORRUPT':
      return corruptStore(path, error.message, cause);
    case 'SQLITE_READONLY':
    case 'SQLITE_CANTOPEN':
      return readOnlyStore(path, error.message, cause);
    case 'SQLITE_FULL':
      return new WorldError('disk-full', `The disk is full: ${path} cannot grow.`, kept('Make room.'), cause);
    case 'SQLITE_BUSY':
      return new WorldError(
        'store-busy',
        `${path} has been locked by another program for ${busyMs / 1000} seconds.`,
        kept('End that program (a database browser, a backup).'),
        cause,
      );
    case 'SQLITE_IOERR':
      return new WorldError(
        'store-io',
        `${path} cannot be read or written: ${error.message} (${error.code}).`,
        kept('Look at the disk: is it full, over its quota, unmounted?'),
        cause,
      );
    default:
      return error;
  }
}

/** How long one process waits for another's write. Ours take well under a millisecond. */
export const busyMs = 10_000;

export const isBusy = (error: unknown): boolean =>
  error instanceof Database.SqliteError && error.code.startsWith('SQLITE_BUSY');

export const corruptStore = (path: string, fact: string, options?: ErrorOptions): InputError =>
  new InputError('store-corrupt', [`${path} is damaged: ${fact}.`], replace, options);

export const readOnlyStore = (path: string, fact: string, options?: ErrorOptions): InputError =>
  new InputError(
    'store-read-only',
    [`${path} cannot be written: ${fact}.`],
    'Name a file in a folder that this user may write to.',
    options,
  );
