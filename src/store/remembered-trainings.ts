import type { Store, StoredMerge, StoredTraining } from '../core/store.ts';
import { now } from '../system/clock.ts';
import { asText, type Queries } from './queries.ts';

/** Trainings and merges under the hash of their full specification, for all the runs of a store. */
export function rememberedTrainings(query: Queries) {
  return {
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
    recallMerge: (key) => query.json<StoredMerge>('SELECT merge AS json FROM merge WHERE key = @key', { key })[0],
    rememberMerge(key, merge, spec) {
      const texts = { spec: asText(spec), merge: asText(merge) };
      query.insert('INSERT INTO merge (key, at, spec, merge) VALUES (@key, @at, @spec, @merge)', {
        key,
        at: now(),
        ...texts,
      });
    },
  } satisfies Partial<Store>;
}
