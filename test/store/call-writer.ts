import { sqliteStore } from '../../src/store/sqlite-store.ts';
import { answered } from '../support/responses.ts';

/** Remembers calls and prints each key once its answer is remembered. Arguments: path, prefix of the keys, how many, how many at once. */
const [path = '', prefix = '', count = '0', atOnce = '1'] = process.argv.slice(2);
const store = sqliteStore(path);
let next = 0;
let failed = false;

async function write(): Promise<void> {
  while (next < Number(count) && !failed) {
    const key = `${prefix}${next++}`;
    try {
      await store.rememberCall(key, {
        user: 's'.repeat(2000),
        shared: { id: 's1', text: '{}' },
        response: answered([key]),
        run: 'run',
        start: 1,
      });
      console.log(key);
    } catch (error) {
      failed = true;
      console.log(String(error));
    }
  }
}

await Promise.all(Array.from({ length: Number(atOnce) }, write));
