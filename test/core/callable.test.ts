import { expect, test } from 'vitest';
import { z } from 'zod';
import { candidateOf, chainOfThought, predict, program } from '../../src/core/callable.ts';
import { withPredictor } from '../../src/core/candidate.ts';
import { InputError, WorldError } from '../../src/core/errors.ts';
import { ExampleFailure } from '../../src/core/failure.ts';
import type { LanguageModel, LmRequest } from '../../src/core/lm.ts';
import { signature } from '../../src/core/signature.ts';
import { scriptedModel } from '../support/scripted-model.ts';

const routing = signature("ticket -> team: 'billing' | 'delivery'", 'Route it.');
const isMoney = ({ prompt }: LmRequest) => (prompt.user.includes('Paid') ? ['billing'] : ['delivery']);

/** A model that keeps the options of its calls. */
function watchedModel() {
  const model = scriptedModel(isMoney);
  const given: unknown[] = [];
  const generate: LanguageModel['generate'] = (request, options) => {
    given.push(options);
    return model.generate(request, { adapter: null });
  };
  return { model: { ...model, generate }, given };
}

/** Searches, then answers with what was found, in capitals. */
const answering = program({
  predictors: { search: signature('question -> topic', 'Name the topic.'), answer: signature('topic -> answer') },
  async run({ question }: { question: string }, call) {
    const { topic } = await call('search', { question });
    const { answer } = await call('answer', { topic: topic.toUpperCase() });
    return { answer, topic };
  },
});

test('a program is called with its inputs and returns its outputs', async () => {
  const route = predict(routing).withLm(scriptedModel(isMoney));
  expect([await route({ ticket: 'Paid twice.' }), await route({ ticket: 'Lost.' })]).toEqual([
    { team: 'billing' },
    { team: 'delivery' },
  ]);
});

test('a call is greedy, and asks for JSON under a grammar', async () => {
  const model = scriptedModel(isMoney);
  await predict(routing).withLm(model)({ ticket: 'Paid twice.' });
  expect(model.requests).toEqual([
    {
      model: { base: model.base.sha256, adapter: null },
      prompt: {
        system: 'Route it.\nAnswer with a JSON object: {"team": one of "billing", "delivery"}',
        turns: [],
        user: 'Paid twice.',
      },
      answer: [
        { type: 'text', text: '{"team": "' },
        { type: 'choice', options: ['billing', 'delivery'] },
        { type: 'text', text: '"}' },
      ],
      choice: 'greedy',
      sampling: { temperature: 0, topK: 0, topP: 1, minP: 0, repetitionPenalty: 1, maxTokens: 512, seed: 0 },
    },
  ]);
});

test('the options of a predictor are what it starts with', () => {
  const demos = [{ inputs: { ticket: 'Lost.' }, outputs: { team: 'delivery' }, source: 'e1' }];
  const model = scriptedModel(isMoney);
  const route = predict(routing, { chatFormat: 'lines', decoding: 'free', demos }).withLm(model);
  expect(candidateOf(route).predictors).toEqual({
    predict: {
      instructions: 'Route it.',
      demos,
      chatFormat: 'lines',
      choice: 'greedy',
      decoding: 'free',
      model: { base: model.base.sha256, adapter: null },
    },
  });
});

test('a chain of thought returns the reasoning that the model wrote first', async () => {
  const model = scriptedModel(() => ['It speaks of money."', 'billing']);
  const route = chainOfThought(routing).withLm(model);
  expect(await route({ ticket: 'Paid twice.' })).toEqual({ reasoning: 'It speaks of money.', team: 'billing' });
});

test('a program may have code between two predictors', async () => {
  const model = scriptedModel(({ prompt }) => [
    prompt.system.startsWith('Name') ? 'parcels"' : `About ${prompt.user}"`,
  ]);
  expect(await answering.withLm(model)({ question: 'Where is it?' })).toEqual({
    answer: 'About PARCELS',
    topic: 'parcels',
  });
});

test('each predictor may have a model of its own', async () => {
  const [small, large] = [scriptedModel(() => ['parcels"'], 'small'), scriptedModel(() => ['Wait."'], 'large')];
  await answering.withLm(small).withLm(large, 'answer')({ question: 'Where is it?' });
  expect([small, large].map(({ requests }) => requests.map(({ prompt }) => prompt.user))).toEqual([
    ['Where is it?'],
    ['PARCELS'],
  ]);
});

test('giving a model makes a new program and leaves the old one without', () => {
  const plain = predict(routing);
  const withModel = plain.withLm(scriptedModel(isMoney));
  expect(plain.drafts.predict?.model).toBe(null);
  expect(plain.models.size).toBe(0);
  expect(withModel.drafts.predict?.model).not.toBe(null);
});

test('giving a candidate makes a new program and leaves the old one as it was', async () => {
  const model = scriptedModel(isMoney);
  const route = predict(routing).withLm(model);
  const before = candidateOf(route);
  const changed = withPredictor(before, 'predict', { instructions: 'Route it well.' });
  await route.withCandidate(changed)({ ticket: 'Lost.' });
  expect(candidateOf(route)).toEqual(before);
  expect(model.requests[0]?.prompt.system).toMatch(/^Route it well\./);
});

test('a program without models says which predictors lack one', async () => {
  const hint = 'Give it one: program.withLm(await localModel({ gguf: "model.gguf" })).';
  await expect(answering({ question: 'Where is it?' })).rejects.toEqual(
    new InputError('no-model', ['The predictor "search" has no model.', 'The predictor "answer" has no model.'], hint),
  );
  await expect(answering.withLm(scriptedModel(isMoney), 'search')({ question: 'Where?' })).rejects.toEqual(
    new InputError('no-model', ['The predictor "answer" has no model.'], hint),
  );
});

test('a model for a predictor that is not there is refused, with those that are', () => {
  expect(() => answering.withLm(scriptedModel(isMoney), 'solve')).toThrow(
    new InputError('predictor-unknown', ['There is no predictor "solve".'], 'The program has: search, answer.'),
  );
});

test('a candidate on a model that the program lacks is refused', async () => {
  const route = predict(routing).withLm(scriptedModel(isMoney));
  const foreign = withPredictor(candidateOf(route), 'predict', { model: { base: 'other', adapter: null } });
  await expect(route.withCandidate(foreign)({ ticket: 'Lost.' })).rejects.toEqual(
    new InputError('no-model', ['The program has no model for base other.'], 'Give it with withLm().'),
  );
});

test('an adapter is handed to the model with its file', async () => {
  const { model, given } = watchedModel();
  const route = predict(routing).withLm(model);
  const trained = withPredictor(candidateOf(route), 'predict', { model: { base: model.base.sha256, adapter: 'a1' } });
  await route.withCandidate(trained, [{ sha256: 'a1', path: '/runs/a1.gguf' }])({ ticket: 'Lost.' });
  expect(given).toEqual([{ adapter: { sha256: 'a1', path: '/runs/a1.gguf' } }]);
});

test('an adapter without a file is refused', async () => {
  const model = scriptedModel(isMoney);
  const route = predict(routing).withLm(model);
  const trained = withPredictor(candidateOf(route), 'predict', { model: { base: model.base.sha256, adapter: 'a1' } });
  await expect(route.withCandidate(trained)({ ticket: 'Lost.' })).rejects.toEqual(
    new InputError(
      'no-adapter',
      ['The program has no file for adapter a1.'],
      'Load the program with loadProgram(), which brings it.',
    ),
  );
});

test('a signal reaches the model', async () => {
  const { signal } = new AbortController();
  const { model, given } = watchedModel();
  await predict(routing).withLm(model)({ ticket: 'Lost.' }, { signal });
  expect(given).toEqual([{ adapter: null, signal }]);
});

test('an answer that cannot be read is thrown as the failure of this example', async () => {
  const route = predict(routing, { decoding: 'free' }).withLm(scriptedModel(() => ['I do not know.']));
  await expect(route({ ticket: 'Lost.' })).rejects.toEqual(
    new ExampleFailure({ kind: 'parse', message: 'no JSON object in the answer "I do not know."' }),
  );
});

test("what the program's code throws is thrown as it is", async () => {
  const thrown = new RangeError('no such floor');
  const broken = program({ predictors: { route: routing }, run: () => Promise.reject(thrown) });
  await expect(broken.withLm(scriptedModel(isMoney))({})).rejects.toBe(thrown);
});

test('a dead host is thrown as it is', async () => {
  const dead = new WorldError('host-died', 'The model host ended.', 'Run again.');
  const model = scriptedModel(() => {
    throw dead;
  });
  await expect(predict(routing).withLm(model)({ ticket: 'Lost.' })).rejects.toBe(dead);
});

test('predictors that cannot be laid out are refused before anything is asked, all at once', () => {
  const open = signature({ inputs: { a: z.string() }, outputs: { scores: z.number().multipleOf(5) } });
  const making = () =>
    program({
      predictors: { two: signature('a -> b, c'), open },
      run: async () => ({}),
      options: { chatFormat: 'value' },
    });
  expect(making).toThrow(
    new InputError(
      'chat-format',
      [
        'The predictor "two": The chat format "value" is for one output; this signature has 2. Use "json" or "lines".',
        'The predictor "open": The output "scores": "multipleOf" cannot be decoded under a grammar; use decoding "free" or a simpler type',
      ],
      'Choose another chatFormat, decoding, choice or nearest.',
    ),
  );
});
