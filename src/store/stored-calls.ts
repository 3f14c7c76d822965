import type { LmRequest, LmResponse } from '../core/lm.ts';
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
      const [row] = query.rows<CallRow>(
        `SELECT start, user, shared.request AS shared, response
         FROM call JOIN shared ON shared.number = call.shared WHERE key = @key`,
        { key },
      );
      return row && callOf(row);
    },
  } satisfies Partial<Store>;
}

interface CallRow {
  readonly start: number;
  readonly user: string;
  readonly shared: string;
  readonly response: string;
}

/** What `callKeys` makes of a request and its engine. */
interface SharedText extends Omit<LmRequest, 'prompt' | 'sampling'> {
  readonly engine: StoredCall['engine'];
  readonly prompt: Omit<LmRequest['prompt'], 'user'>;
  readonly sampling: Omit<LmRequest['sampling'], 'seed'> & Partial<Pick<LmRequest['sampling'], 'seed'>>;
}

/** Puts a request together again: what decides nothing was left out of its key, and is taken as 0. */
function callOf({ start, user, shared, response }: CallRow): StoredCall {
  // `as` twice: these are the texts that rememberCall wrote.
  const { engine, prompt, sampling, ...rest } = JSON.parse(shared) as SharedText;
  const request = { ...rest, prompt: { ...prompt, user }, sampling: { seed: 0, ...sampling } };
  return { start, request, engine, response: JSON.parse(response) as LmResponse };
}
