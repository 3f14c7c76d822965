import { randomUUID } from 'node:crypto';
import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Database } from 'better-sqlite3';
import type { Store } from '../core/store.ts';
import { journal } from './journal.ts';
import { openDatabase, openInMemory } from './open-database.ts';
import { queriesOn } from './queries.ts';
import { remembered } from './remembered.ts';
import { storedCalls } from './stored-calls.ts';
import { storedFiles } from './stored-files.ts';

/**
 * A store in one SQLite file, made if it is not there; adapters and unfinished trainings lie beside it, in the folder `<path>.files`.
 * Throws an `InputError` with the remedy when the file is not a store, is newer than this program, or is damaged.
 */
export function sqliteStore(path: string): Store {
  const database = openDatabase(path);
  return { ...storeOn(database, path, `${resolve(path)}.files`), close: () => void database.close() };
}

/** The same for one process: the rows live as long as the store, and so do the files. */
export function memoryStore(): Store {
  const database = openInMemory();
  const files = join(tmpdir(), `better-together-${randomUUID()}`);
  const close = () => {
    database.close();
    rmSync(files, { recursive: true, force: true });
  };
  return { ...storeOn(database, 'memory', files), close };
}

function storeOn(database: Database, name: string, files: string): Omit<Store, 'close'> {
  const query = queriesOn(database, name);
  return { name, ...remembered(query), ...storedCalls(query), ...journal(query), ...storedFiles(files) };
}
