import { afterAll } from 'vitest';
import type { Store } from '../../src/core/store.ts';
import { memoryStore } from '../../src/store/sqlite-store.ts';

const stores: Store[] = [];

// A test's process is ended from outside: what it did not close would leave its files behind.
afterAll(() => {
  for (const store of stores.splice(0)) store.close();
});

/** A store in memory, closed when the tests of the file are over. */
export function ownStore(): Store {
  const store = memoryStore();
  stores.push(store);
  return store;
}
