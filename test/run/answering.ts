import { sqliteStore } from '../../src/store/sqlite-store.ts';
import { memoryOf, question } from '../support/memory.ts';
import { scriptedModel } from '../support/scripted-model.ts';

/** Asks question after question, and prints each when it has the answer in hand. Arguments: the store's path, questions at once. */
const [path = '', atOnce = '1'] = process.argv.slice(2);
const memory = memoryOf(
  sqliteStore(path),
  scriptedModel(({ prompt }) => [`${prompt.user}!`]),
);
let next = 0;
const work = async () => {
  for (;;) {
    const user = `question ${next++}`;
    await memory.answer(question(user));
    console.log(user);
  }
};
await Promise.all(Array.from({ length: Number(atOnce) }, work));
