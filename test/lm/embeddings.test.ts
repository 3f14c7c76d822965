import { afterAll, beforeAll, expect, test } from 'vitest';
import { type LocalModel, localModel } from '../../src/lm/llama/local-model.ts';
import { defaultModel } from '../support/models.ts';
import { ask, labelPlan } from '../support/requests.ts';

// The default model: whether texts that mean the same are near each other can only be seen on a real one.

// On a busy machine; alone it takes seconds.
const patience = 240_000;
const open = (sequences: number) => localModel({ gguf: defaultModel, device: 'cpu', threads: 1, sequences });

let lm: LocalModel;
beforeAll(async () => {
  lm = await open(2);
}, patience);
afterAll(() => lm.release(), patience);

const texts = ['My parcel never came.', 'The package was not delivered.', 'How do I reset my password?', ''];
const labels = labelPlan(['red', 'green', 'sky blue']);
const cosine = (a: Float32Array, b: Float32Array) => a.reduce((sum, value, index) => sum + value * b[index]!, 0);

test(
  'vectors have length 1, and texts of one sense are nearer than others',
  async () => {
    const vectors = await lm.embed(texts);
    for (const vector of vectors) {
      expect(vector).toHaveLength(576);
      expect(cosine(vector, vector)).toBeCloseTo(1, 5);
    }
    const [came, delivered, password] = vectors;
    expect(cosine(came!, delivered!)).toBeGreaterThan(cosine(came!, password!));
    expect(cosine(came!, delivered!)).toBeGreaterThan(cosine(delivered!, password!));
  },
  patience,
);

test(
  'a vector does not depend on its company, on what was asked before, or on the process',
  async () => {
    const together = await lm.embed(texts);
    const [[backwards], alone] = await Promise.all([
      lm.embed([...texts].reverse()).then((vectors) => [vectors.reverse()]),
      lm.embed(texts.slice(0, 1)),
      ask(lm, { user: 'My parcel never came.', answer: labels }),
      ask(lm, { user: 'Who is this?', answer: labels }),
    ]);
    expect(backwards).toEqual(together);
    expect(alone).toEqual(together.slice(0, 1));
    await using other = await open(1);
    expect(await other.embed(texts)).toEqual(together);
  },
  patience,
);

test(
  'an answer does not depend on the texts that are embedded meanwhile',
  async () => {
    const question = { user: 'Name a colour.', answer: labels, choice: 'most-probable' as const };
    const before = await ask(lm, question);
    const [meanwhile] = await Promise.all([ask(lm, question), lm.embed(texts)]);
    expect(before.failure).toBeNull();
    expect({ ...meanwhile, usage: null }).toEqual({ ...before, usage: null });
  },
  patience,
);

test(
  'a text that does not fit the context has no vector, and harms no other',
  async () => {
    const [long, short] = await lm.embed(['word '.repeat(3000), texts[0]!]);
    expect(long).toHaveLength(0);
    expect([short]).toEqual(await lm.embed(texts.slice(0, 1)));
  },
  patience,
);
