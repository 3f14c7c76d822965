import type { RunSpan, Store } from '../core/store.ts';
import type { Queries } from './queries.ts';

/** What was spent between the events of a run, from the times at which they and the calls were stored. */
export function runSpans(query: Queries) {
  return {
    spans: (run) => query.rows<RunSpan>(spansOfRun, { run }),
  } satisfies Partial<Store>;
}

// A call of the very millisecond of an event came before it: an event follows from the calls that led to it.
const spansOfRun = `
  WITH span AS (
    SELECT position, at, coalesce(lead(at) OVER (ORDER BY position), 9e15) AS until,
      row_number() OVER (ORDER BY position) = 1 AS isFirst
    FROM event WHERE run = @run
  ), life AS (
    SELECT start.at AS began, coalesce(start_end.at,
      (SELECT max(at) FROM (SELECT at FROM call WHERE call.run = @run AND call.start = number
                 UNION ALL SELECT at FROM event WHERE event.run = @run AND event.start = number)),
      start.at) AS ended
    FROM start LEFT JOIN start_end USING (run, number) WHERE run = @run
  )
  SELECT position AS after, count(call.key) AS calls,
    coalesce(sum(prompt_tokens), 0) AS promptTokens,
    coalesce(sum(cached_prompt_tokens), 0) AS cachedPromptTokens,
    coalesce(sum(completion_tokens), 0) AS completionTokens,
    (SELECT coalesce(sum(max(0, min(ended, until) - max(began, CASE WHEN isFirst THEN 0 ELSE span.at END))), 0)
     FROM life) / 1000.0 AS seconds
  FROM span LEFT JOIN call ON call.run = @run AND call.at <= until AND (call.at > span.at OR isFirst)
  GROUP BY position ORDER BY position`;
