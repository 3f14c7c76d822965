import { randomUUID } from 'node:crypto';
import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Database } from 'better-sqlite3';
import type { Store } from '../core/store.ts';
import { journal } from './journal.ts';
import { openDatabase, openInMemory } from './open-database.ts';
import { queriesOn } from './queries.ts';
import { rememberedCalls } from './remembered-calls.ts';
import { rememberedEmbeddings } from './remembered-embeddings.ts';
import { rememberedTrainings } from './remembered-trainings.ts';
import { storedCalls } from './stored-calls.ts';
import { storedDataSets } from './stored-data-sets.ts';
import { storedFiles } from './stored-files.ts';

/**
 * A store in one SQLite file, made if it is not there; adapters and unfinished trainings lie beside it, in the folder `<path>.files`.
 * Throws an `InputError` with the remedy when the file is not a store, is newer than this program, or is damaged.
 */
export function sqliteStore(path: string): Store {
  return storeOn(openDatabase(path), path, `${resolve(path)}.files`);
}

/** The same for one process: the rows live as long as the store, and so do the files. */
export function memoryStore(): Store {
  const files = join(tmpdir(), `better-together-${randomUUID()}`);
  const store = storeOn(openInMemory(), 'memory', files);
  const close = () => {
    store.close();
    rmSync(files, { recursive: true, force: true });
  };
  return { ...store, close };
}

function storeOn(database: Database, name: string, files: string): Store {
  const query = queriesOn(database, name);
  const calls = rememberedCalls(query);
  const close = () => {
    calls.flush();
    database.close();
  };
  const { flush: _, ...ports } = calls;
  return {
    name,
    ...ports,
    ...storedCalls(query),
    ...rememberedEmbeddings(query),
    ...rememberedTrainings(query),
    ...storedDataSets(query),
    ...journal(query),
    ...storedFiles(files),
    close,
  };
}
