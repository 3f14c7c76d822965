import { firstAttempt } from '../../src/core/program.ts';
import { sqliteStore } from '../../src/store/sqlite-store.ts';
import { answered } from '../support/responses.ts';

/** Remembers call after call and prints each key once its answer is remembered. Arguments: path, prefix of the keys, how many. */
const [path = '', prefix = '', count = '0'] = process.argv.slice(2);
const store = sqliteStore(path);
for (let index = 0; index < Number(count); index++) {
  const key = `${prefix}${index}`;
  try {
    store.rememberCall(key, {
      request: {
        model: { base: 'base', adapter: null },
        prompt: { system: 's'.repeat(2000), turns: [], user: key },
        answer: null,
        choice: 'greedy',
        sampling: { ...firstAttempt, maxTokens: 8 },
      },
      response: answered([key]),
      run: 'run',
      start: 1,
    });
  } catch (error) {
    console.log(String(error));
    break;
  }
  console.log(key);
}
