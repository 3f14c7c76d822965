import { existsSync } from 'node:fs';
import { InputError } from '../core/errors.ts';
import type { Store } from '../core/store.ts';
import { sqliteStore } from './wiring.ts';

/** Opening a store makes one where there is none; who only reads wants one that is there. */
export function existingStore(path: string): Store {
  if (existsSync(path)) return sqliteStore(path);
  throw new InputError('store-missing', [`There is no store at ${path}.`], 'Name the SQLite file of the run: --store.');
}
