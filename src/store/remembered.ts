import type { LmResponse } from '../core/lm.ts';
import type { CallTotals, Store, StoredTraining } from '../core/store.ts';
import { now } from '../system/clock.ts';
import { asText, type Queries } from './queries.ts';

/** The slow and unrepeatable, under the hash of its full request, for all the runs of a store. */
export function remembered(query: Queries) {
  return {
    recallCall: (key) => query.json<LmResponse>('SELECT response AS json FROM call WHERE key = @key', { key })[0],
    rememberCall(key, { request, response, run, start }) {
      const texts = { request: asText(request), response: asText(response) };
      query.insert(
        `INSERT INTO call (key, run, start, at, prompt_tokens, cached_prompt_tokens, completion_tokens, request, response)
         VALUES (@key, @run, @start, @at, @prompt, @cachedPrompt, @completion, @request, @response)`,
        { key, run, start, at: now(), ...response.usage, ...texts },
      );
    },
    callTotals: (run) =>
      // `!`: the sums over no rows are a row too.
      query.rows<CallTotals>(
        `SELECT count(*) AS made, coalesce(sum(prompt_tokens), 0) AS promptTokens,
           coalesce(sum(cached_prompt_tokens), 0) AS cachedPromptTokens,
           coalesce(sum(completion_tokens), 0) AS completionTokens
         FROM call WHERE run = @run`,
        { run },
      )[0]!,
    recallTraining: (key) =>
      query.json<StoredTraining>('SELECT training AS json FROM training WHERE key = @key', { key })[0],
    rememberTraining(key, training, spec) {
      const texts = { spec: asText(spec), training: asText(training) };
      query.insert('INSERT INTO training (key, at, spec, training) VALUES (@key, @at, @spec, @training)', {
        key,
        at: now(),
        ...texts,
      });
    },
  } satisfies Partial<Store>;
}
