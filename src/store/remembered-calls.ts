import type { SharedRequest } from '../core/call-key.ts';
import type { LmResponse } from '../core/lm.ts';
import type { CallRecord, CallTotals, Store } from '../core/store.ts';
import { now } from '../system/clock.ts';
import { groupCommit } from './group-commit.ts';
import { asText, type Queries } from './queries.ts';

/** Model calls under their keys, for all the runs of a store. `flush` writes now what would be written at the end of this turn. */
export function rememberedCalls(query: Queries) {
  const shared = sharedRequests(query);
  const group = groupCommit<CallRow>((rows) =>
    query.together(() => {
      for (const row of rows) query.insert(insertCall, row);
    }),
  );
  return {
    recallCall: (key) => query.json<LmResponse>('SELECT response AS json FROM call WHERE key = @key', { key })[0],
    // `async`: whatever cannot be written is a promise that is rejected.
    async rememberCall(key, call) {
      return group.add(rowOf(key, call, shared.numberOf(call.shared)));
    },
    callTotals: (run) =>
      // `!`: the sums over no rows are a row too.
      query.rows<CallTotals>(
        `SELECT count(*) AS made, coalesce(sum(prompt_tokens), 0) AS promptTokens,
           coalesce(sum(cached_prompt_tokens), 0) AS cachedPromptTokens,
           coalesce(sum(completion_tokens), 0) AS completionTokens,
           coalesce(sum(forks), 0) AS forks, coalesce(sum(overruled), 0) AS overruled
         FROM call WHERE run = @run`,
        { run },
      )[0]!,
    flush: group.flush,
  } satisfies Partial<Store> & { flush(): void };
}

const insertCall = `
  INSERT INTO call (key, run, start, at, prompt_tokens, cached_prompt_tokens, completion_tokens, forks, overruled, shared, user, response)
  VALUES (@key, @run, @start, @at, @prompt, @cachedPrompt, @completion, @forks, @overruled, @shared, @user, @response)`;

type CallRow = ReturnType<typeof rowOf>;

function rowOf(key: string, { user, response, run, start }: CallRecord, shared: number) {
  const { prompt, cachedPrompt, completion } = response.usage;
  const { forks, overruled } = response.failure ? { forks: 0, overruled: 0 } : response.constraint;
  const counts = { prompt, cachedPrompt, completion, forks, overruled };
  return { key, run, start, at: now(), ...counts, shared, user, response: asText(response) };
}

/** What calls have in common, each stored once, and known to this process by its number. */
function sharedRequests(query: Queries) {
  const numbers = new Map<string, number>();
  const store = ({ id, text }: SharedRequest): number => {
    query.insert('INSERT INTO shared (id, request) VALUES (@id, @text)', { id, text });
    // `!`: it is there now.
    const { number } = query.rows<{ number: number }>('SELECT number FROM shared WHERE id = @id', { id })[0]!;
    numbers.set(id, number);
    return number;
  };
  return { numberOf: (request: SharedRequest): number => numbers.get(request.id) ?? store(request) };
}
