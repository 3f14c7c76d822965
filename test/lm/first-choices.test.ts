import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { AnswerPlan, LmAnswer } from '../../src/core/lm.ts';
import { type LocalModel, localModel } from '../../src/lm/llama/local-model.ts';
import { ask } from '../support/requests.ts';
import { writeTinyModel } from '../support/tiny-model.ts';

let folder: string;
let lm: LocalModel;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'better-together-test-'));
  lm = await localModel({ gguf: writeTinyModel(join(folder, 'tiny.gguf')), device: 'cpu', threads: 1, sequences: 4 });
});
afterAll(async () => {
  await lm.release();
  await rm(folder, { recursive: true });
});

const letters: AnswerPlan = [
  { type: 'value', grammar: 'root ::= [a-zA-Z0-9 ]{12} "."', end: { kind: 'text', text: '.' } },
];
const users = Array.from({ length: 8 }, (_, index) => `word ${index}`);

async function answered(user: string, answer: AnswerPlan, temperature = 0): Promise<LmAnswer> {
  const response = await ask(lm, { user, answer, sampling: { temperature, seed: 1, maxTokens: 40 } });
  return response.failure === null ? response : expect.fail(response.failure.message);
}

/** What the model, asked again in one pass, has as its most probable token at each of an answer's sampled tokens. */
async function firstChoices(user: string, { completionIds }: LmAnswer): Promise<number[]> {
  const [row] = await lm.encode([{ prompt: { system: '', turns: [], user }, pieces: null }]);
  const sampled = completionIds.slice(0, -1);
  const positions = sampled.map((_, index) => row!.promptIds.length - 1 + index);
  const distributions = await lm.logProbabilities([{ ids: [...row!.promptIds, ...sampled], positions }], null);
  return distributions.map((distribution) => distribution.indexOf(Math.max(...distribution)));
}

test('a greedy answer tells at how many of its sampled tokens the grammar overruled the model', async () => {
  const answers = await Promise.all(users.map((user) => answered(user, letters)));
  for (const [index, answer] of answers.entries()) {
    const first = await firstChoices(users[index]!, answer);
    const overruled = first.filter((token, at) => token !== answer.completionIds[at]).length;
    expect(answer.constraint).toEqual({ forks: first.length, overruled });
  }
  expect(answers.some(({ constraint }) => constraint.overruled > 0)).toBe(true);
});

test('so does one that was drawn: what the model liked best was forbidden there, not merely passed over', async () => {
  let passedOver = 0;
  for (const user of users) {
    const answer = await answered(user, letters, 3);
    const first = await firstChoices(user, answer);
    const textsOf = async (ids: readonly number[]) =>
      // Each in a row of its own: bytes of unrelated tokens must not make a character.
      (await lm.tokenTexts(ids.map((id) => ({ promptIds: [id], completionIds: [] })))).flat();
    const [written, liked] = [await textsOf(answer.completionIds.slice(0, -1)), await textsOf(first)];
    const isAllowed = (text: string, at: number): boolean =>
      text !== '' && /^(?:[a-zA-Z0-9 ]{0,12}|[a-zA-Z0-9 ]{12}\.)$/.test(written.slice(0, at).join('') + text);
    expect(answer.constraint.overruled).toBe(liked.filter((text, at) => !isAllowed(text, at)).length);
    passedOver += first.filter((token, at) => token !== answer.completionIds[at]).length - answer.constraint.overruled;
  }
  expect(passedOver).toBeGreaterThan(0);
});

test('a free answer has nothing that could be overruled', async () => {
  const free = await ask(lm, { user: 'Hi', sampling: { temperature: 1, seed: 3, maxTokens: 2000 } });
  if (free.failure === null) expect(free.constraint).toEqual({ forks: 0, overruled: 0 });
});
