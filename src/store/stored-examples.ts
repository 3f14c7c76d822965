import type { Example } from '../core/example.ts';
import type { Store } from '../core/store.ts';
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
  } satisfies Partial<Store>;
}
