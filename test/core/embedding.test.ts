import { expect, test } from 'vitest';
import { candidateOf, predict } from '../../src/core/callable.ts';
import type { Demo } from '../../src/core/candidate.ts';
import { embedOnce, nearestDemos } from '../../src/core/embedding.ts';
import { signature } from '../../src/core/signature.ts';
import { scriptedModel } from '../support/scripted-model.ts';

const routing = signature("ticket -> team: 'billing' | 'delivery'", 'Route it.');
const demo = (ticket: string, team = 'billing'): Demo => ({ inputs: { ticket }, outputs: { team }, source: ticket });

/** Texts are places on a circle: `30` is a vector at 30 degrees. */
const degrees = async (_: string, texts: readonly string[]) =>
  texts.map((text) => {
    const angle = (Number(text) * Math.PI) / 180;
    return text === '' ? new Float32Array(0) : new Float32Array([Math.cos(angle), Math.sin(angle)]);
  });

const chosen = async (demos: readonly Demo[], nearest: number, ticket: string) => {
  const state = { demos, nearest, model: { base: 'b', adapter: null } };
  return (await nearestDemos(routing, state, { ticket }, degrees)).map(({ source }) => source);
};

test('the demos that are most like the question are chosen, the most alike last', async () => {
  expect(
    await chosen(
      ['0', '50', '100', '20'].map((text) => demo(text)),
      3,
      '40',
    ),
  ).toEqual(['0', '20', '50']);
});

test('of two that are as much alike the earlier one is the nearer', async () => {
  const [first, second] = [demo('10', 'billing'), demo('10', 'delivery')];
  const state = { demos: [first, second, demo('90')], nearest: 1, model: { base: 'b', adapter: null } };
  expect(await nearestDemos(routing, state, { ticket: '12' }, degrees)).toEqual([first]);
});

test('a demo without a vector is chosen last of all', async () => {
  expect(
    await chosen(
      ['', '170', '90'].map((text) => demo(text)),
      2,
      '0',
    ),
  ).toEqual(['170', '90']);
});

test('fewer demos than wanted are all shown', async () => {
  expect(await chosen([demo('80'), demo('10')], 5, '0')).toEqual(['80', '10']);
});

test('a program shows each question its own demos, and asks for the vectors of its demos once', async () => {
  const model = scriptedModel(() => ['delivery']);
  const demos = [demo('the invoice is wrong'), demo('the parcel is late', 'delivery'), demo('invoice and refund')];
  const program = predict(routing, { demos, nearest: 1 }).withLm(model);
  for (const ticket of ['where is the parcel', 'no refund', 'where is the parcel']) await program({ ticket });
  expect(model.requests.map(({ prompt: { turns } }) => turns.map(({ user }) => user))).toEqual([
    ['the parcel is late'],
    ['invoice and refund'],
    ['the parcel is late'],
  ]);
  expect(model.embedded).toEqual([
    ...demos.map(({ inputs }) => inputs.ticket),
    'where is the parcel',
    'no refund',
    'where is the parcel',
  ]);
});

test('a number of demos that is none is refused', () => {
  expect(() => predict(routing, { nearest: 0 })).toThrow(
    'The predictor "predict": "nearest" is 0; it is a number of demos, at least 1.',
  );
});

test('a model that gives no embeddings is refused by name, with the remedy', async () => {
  const model = { ...scriptedModel(() => ['billing'], 'far'), weights: null };
  const program = predict(routing, { demos: [demo('late')], nearest: 1 }).withLm(model);
  await expect(program({ ticket: 'lost' })).rejects.toMatchObject({
    code: 'embeddings-out-of-reach',
    message: expect.stringContaining('The model "far" at /models/far.gguf answers, but gives no embeddings.'),
    hint: expect.stringContaining('labeledFewShot'),
  });
});

test('a candidate without the choice has the id that it had before there was one', () => {
  const model = scriptedModel(() => ['billing']);
  expect(Object.keys(candidateOf(predict(routing).withLm(model)).predictors.predict!)).not.toContain('nearest');
});

test('texts on their way are not asked for again, nor twice in one question', async () => {
  const asked: string[][] = [];
  const embed = embedOnce({
    recall: (_, text) => (text === 'known' ? new Float32Array([1]) : undefined),
    async ask(_, texts) {
      asked.push([...texts]);
      return texts.map((text) => new Float32Array([text.length]));
    },
  });
  const [first] = await Promise.all([
    embed('b', ['one', 'known', 'three', 'one'], 'demos'),
    embed('b', ['three', 'one'], 'demos'),
    embed('b', ['one'], 'question'),
  ]);
  expect(first.map(([value]) => value)).toEqual([3, 1, 5, 3]);
  await embed('c', ['one'], 'demos');
  expect(asked).toEqual([['one', 'three'], ['one']]);
});

test('what could not be asked for is asked for the next time', async () => {
  let isDown = true;
  const embed = embedOnce({
    recall: () => undefined,
    async ask(_, texts) {
      if (isDown) throw new Error('down');
      return texts.map(() => new Float32Array([1]));
    },
  });
  await expect(embed('b', ['one'], 'demos')).rejects.toThrow('down');
  isDown = false;
  expect(await embed('b', ['one'], 'demos')).toEqual([new Float32Array([1])]);
});
