import type { Store, StoredCall } from '../core/store.ts';
import type { Queries } from './queries.ts';

/** Calls as they were made, for those who ask them again. */
export function storedCalls(query: Queries) {
  return {
    callKeys: (run) =>
      query
        .rows<{ key: string }>('SELECT key FROM call WHERE run = @run ORDER BY rowid', { run })
        .map(({ key }) => key),
    call: (key) =>
      // Both columns hold JSON, so that they can be put together as they are.
      query.json<StoredCall>(
        `SELECT '{"start":' || start || ',"request":' || request || ',"response":' || response || '}' AS json
         FROM call WHERE key = @key`,
        { key },
      )[0],
  } satisfies Partial<Store>;
}
