import type { DataSet } from '../core/data-set.ts';
import type { Store } from '../core/store.ts';
import { now } from '../system/clock.ts';
import { asText, type Queries } from './queries.ts';

/** What adapters were trained on, under the hash of it, for all the runs of a store. */
export function storedDataSets(query: Queries) {
  return {
    dataSet: (id) => query.json<DataSet>('SELECT data_set AS json FROM data_set WHERE id = @id', { id })[0],
    addDataSet(id, dataSet) {
      const values = { id, at: now(), dataSet: asText(dataSet) };
      query.insert('INSERT INTO data_set (id, at, data_set) VALUES (@id, @at, @dataSet)', values);
    },
  } satisfies Partial<Store>;
}
