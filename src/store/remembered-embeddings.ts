import type { Store } from '../core/store.ts';
import { now } from '../system/clock.ts';
import type { Queries } from './queries.ts';
import { bytesOf, vectorOf } from './vector-bytes.ts';

/** Embeddings under the hash of text, model and engine, for all the runs of a store. */
export function rememberedEmbeddings(query: Queries) {
  return {
    recallEmbedding(key) {
      const [row] = query.rows<{ vector: Buffer }>('SELECT vector FROM embedding WHERE key = @key', { key });
      return row && vectorOf(row.vector);
    },
    rememberEmbeddings(embeddings) {
      const sql = 'INSERT INTO embedding (key, at, vector) VALUES (@key, @at, @vector)';
      const at = now();
      query.together(() => {
        for (const [key, vector] of embeddings) query.insert(sql, { key, at, vector: bytesOf(vector) });
      });
    },
  } satisfies Partial<Store>;
}
