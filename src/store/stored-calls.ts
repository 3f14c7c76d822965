import type { Store, StoredCall } from '../core/store.ts';
import type { Queries } from './queries.ts';

/** Calls as they were made, for those who ask them again. */
export function storedCalls(query: Queries) {
  return {
    callKeys: (run) =>
      query
        .rows<{ key: string }>('SELECT key FROM call WHERE run = @run ORDER BY rowid', { run })
        .map(({ key }) => key),
    call(key) {
      const [request] = query.json<StoredCall['request']>('SELECT request AS json FROM call WHERE key = @key', { key });
      const [response] = query.json<StoredCall['response']>('SELECT response AS json FROM call WHERE key = @key', {
        key,
      });
      return request && response && { request, response };
    },
  } satisfies Partial<Store>;
}
