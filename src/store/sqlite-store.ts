import { join, resolve } from 'node:path';
import type { Database } from 'better-sqlite3';
import type { Store } from '../core/store.ts';
import { temporaryFolder } from '../system/temporary-folder.ts';
import { journal } from './journal.ts';
import { openDatabase, openInMemory } from './open-database.ts';
import { queriesOn } from './queries.ts';
import { rememberedCalls } from './remembered-calls.ts';
import { rememberedEmbeddings } from './remembered-embeddings.ts';
import { rememberedTrainings } from './remembered-trainings.ts';
import { locksInFolder, locksInMemory } from './run-locks.ts';
import { runSpans } from './run-spans.ts';
import { storedCalls } from './stored-calls.ts';
import { storedDataSets } from './stored-data-sets.ts';
import { storedExamples } from './stored-examples.ts';
import { storedFiles } from './stored-files.ts';

/**
 * A store in one SQLite file, made if it is not there; adapters and unfinished trainings lie beside it, in the folder `<path>.files`.
 * Throws an `InputError` with the remedy when the file is not a store, is newer than this program, or is damaged.
 */
export function sqliteStore(path: string): Store {
  const folder = `${resolve(path)}.files`;
  return storeOn(openDatabase(path), path, storedFiles(folder, locksInFolder(join(folder, 'locks'))));
}

/** The same for one process: the rows live as long as the store, and so do the files; at the latest they are gone when the process ends. */
export function memoryStore(): Store {
  const folder = temporaryFolder();
  const store = storeOn(openInMemory(), 'memory', storedFiles(folder.path, locksInMemory()));
  const close = () => {
    store.close();
    folder.remove();
  };
  return { ...store, close };
}

function storeOn(database: Database, name: string, files: ReturnType<typeof storedFiles>): Store {
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
    ...storedExamples(query),
    ...runSpans(query),
    ...journal(query),
    ...files,
    close,
  };
}
