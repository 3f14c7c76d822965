import type { Example, SplitName } from '../core/example.ts';
import type { SplitIds, Store } from '../core/store.ts';
import { now } from '../system/clock.ts';
import { asText, type Queries } from './queries.ts';

/** The examples of all runs of a store under their ids: with them, what a row of an evaluation was about can be shown. */
export function storedExamples(query: Queries) {
  return {
    example: (id) => query.json<Example>('SELECT example AS json FROM example WHERE id = @id', { id })[0],
    addExamples(examples) {
      const sql = 'INSERT INTO example (id, at, example) VALUES (@id, @at, @example)';
      query.together(() => {
        for (const example of examples) query.insert(sql, { id: example.id, at: now(), example: asText(example) });
      });
    },
    splits(run) {
      const sql = "SELECT json_object('name', name, 'ids', json(examples)) AS json FROM split WHERE run = @run";
      const rows = query.json<{ readonly name: SplitName; readonly ids: readonly string[] }>(sql, { run });
      if (rows.length === 0) return null;
      // `as`: the three are written together.
      return Object.fromEntries(rows.map(({ name, ids }) => [name, ids])) as SplitIds;
    },
    addSplits(run, splits) {
      const sql = 'INSERT INTO split (run, name, at, examples) VALUES (@run, @name, @at, @ids)';
      query.together(() => {
        for (const [name, ids] of Object.entries(splits)) query.insert(sql, { run, name, at: now(), ids: asText(ids) });
      });
    },
  } satisfies Partial<Store>;
}
