import { expect, test } from 'vitest';
import { type Candidate, initialCandidate } from '../../src/core/candidate.ts';
import { InputError, WorldError } from '../../src/core/errors.ts';
import type { Fields } from '../../src/core/json.ts';
import type { LmRequest, LmResponse } from '../../src/core/lm.ts';
import { type AnswerCall, firstAttempt, prepare, runProgram, type Structure } from '../../src/core/program.ts';
import { signature } from '../../src/core/signature.ts';
import { answered } from '../support/responses.ts';

const routing = signature("ticket -> team: 'billing' | 'delivery'", 'Route it.');
const model = { base: 'b', adapter: null };
const single: Structure = {
  predictors: { route: routing },
  run: (inputs, call) => call('route', inputs),
};
const candidateOf = (structure: Structure): Candidate =>
  initialCandidate({ ...structure.predictors }, { chatFormat: 'value', decoding: 'constrained', model });

const saying =
  (text: string): AnswerCall =>
  async () =>
    answered([text]);

const run = (structure: Structure, answer: AnswerCall, inputs: Fields = { ticket: 'Paid twice.' }) =>
  runProgram({
    program: prepare(structure, candidateOf(structure), firstAttempt),
    inputs,
    answer,
  });

const request: LmRequest = {
  model,
  prompt: { system: 'Route it.\nAnswer with one of billing, delivery only.', turns: [], user: 'Paid twice.' },
  answer: [{ type: 'choice', options: ['billing', 'delivery'] }],
  choice: 'greedy',
  sampling: { temperature: 0, topK: 0, topP: 1, minP: 0, repetitionPenalty: 1, maxTokens: 512, seed: 0 },
};
const inputs = { ticket: 'Paid twice.' };

test('a call asks what the candidate says, greedily', () => {
  expect(prepare(single, candidateOf(single), firstAttempt).request('route', inputs)).toEqual(request);
});

test('another attempt differs in its sampling only', () => {
  const another = prepare(single, candidateOf(single), { temperature: 0.7, seed: 3 }).request('route', inputs);
  expect(another).toEqual({ ...request, sampling: { ...request.sampling, temperature: 0.7, seed: 3 } });
});

test('requests of a predictor share all that is not their own', () => {
  const { request: ask } = prepare(single, candidateOf(single), firstAttempt);
  const [one, other] = [ask('route', { ticket: 'Paid twice.' }), ask('route', { ticket: 'Lost.' })];
  const { user: _, ...shared } = one.prompt;
  expect(other).toEqual({ ...one, prompt: { ...shared, user: 'Lost.' } });
  expect(other.prompt.turns).toBe(one.prompt.turns);
  expect(other.answer).toBe(one.answer);
  expect(other.sampling).toBe(one.sampling);
});

test('a run has its outputs and the calls that led to them', async () => {
  const response: LmResponse = answered(['billing']);
  expect(await run(single, async () => response)).toEqual({
    outputs: { team: 'billing' },
    trace: [
      { predictor: 'route', inputs, outputs: { team: 'billing' }, choices: {}, request, response, failure: null },
    ],
    failure: null,
    thrown: null,
  });
});

test('an answer that cannot be read is a parse failure, of the call and of the run', async () => {
  const failure = { kind: 'parse', message: '"team" is none of its labels, in the answer "sales"' };
  const result = await run(single, saying('sales'));
  expect(result).toMatchObject({ outputs: null, failure, thrown: null, trace: [{ outputs: null, failure }] });
});

test("a model's failure keeps its kind", async () => {
  const failure = { kind: 'length', message: 'more than 512 tokens' } as const;
  const result = await run(single, async () => ({ failure, usage: { prompt: 1, cachedPrompt: 0, completion: 512 } }));
  expect(result).toMatchObject({ outputs: null, failure, thrown: null, trace: [{ outputs: null, failure }] });
});

test('what the program throws is a program error, with what was thrown', async () => {
  const thrown = new RangeError('no such floor');
  const broken: Structure = {
    ...single,
    async run() {
      throw thrown;
    },
  };
  expect(await run(broken, saying('billing'))).toEqual({
    outputs: null,
    trace: [],
    failure: { kind: 'program-error', message: 'RangeError: no such floor' },
    thrown,
  });
});

test('what is thrown need not be an error', async () => {
  const broken: Structure = { ...single, run: () => Promise.reject('no') };
  expect((await run(broken, saying('billing'))).failure).toEqual({ kind: 'program-error', message: 'no' });
});

test('calls before an error stay in the trace', async () => {
  const broken: Structure = {
    ...single,
    async run(given, call) {
      await call('route', given);
      throw new Error('later');
    },
  };
  const { trace } = await run(broken, saying('billing'));
  expect(trace.map(({ outputs }) => outputs)).toEqual([{ team: 'billing' }]);
});

test('calls are in the order in which they were made, whichever was answered first', async () => {
  const parallel: Structure = {
    ...single,
    async run(_, call) {
      await Promise.all([call('route', { ticket: 'slow' }), call('route', { ticket: 'quick' })]);
      return {};
    },
  };
  const order: string[] = [];
  const { trace } = await run(parallel, async ({ prompt }) => {
    if (prompt.user === 'slow') await new Promise((resolve) => setImmediate(resolve));
    order.push(prompt.user);
    return answered(['billing']);
  });
  expect(order).toEqual(['quick', 'slow']);
  expect(trace.map((call) => call.inputs.ticket)).toEqual(['slow', 'quick']);
});

test('a program may catch a failure and answer all the same', async () => {
  const careful: Structure = {
    ...single,
    run: (given, call) => call('route', given).catch(() => ({ team: 'delivery' })),
  };
  const { outputs, failure, trace } = await run(careful, saying('sales'));
  expect({ outputs, failure, calls: trace.map((call) => call.failure?.kind) }).toEqual({
    outputs: { team: 'delivery' },
    failure: null,
    calls: ['parse'],
  });
});

test('a call of a predictor that is not there is a program error that names those that are', async () => {
  const wrong: Structure = { ...single, run: (given, call) => call('solve', given) };
  expect((await run(wrong, saying('billing'))).failure).toEqual({
    kind: 'program-error',
    message: 'TypeError: The program calls the predictor "solve", which it does not have: route',
  });
});

test('inputs that the signature refuses are a program error', async () => {
  const { failure } = await run(single, saying('billing'), { ticket: 3 });
  expect(failure?.kind).toBe('program-error');
  expect(failure?.message).toContain('"ticket": Invalid input: expected string, received number');
});

test('inputs that are missing are named with the predictor and the remedy', () => {
  const asked = () => prepare(single, candidateOf(single), {}).request('route', { tickt: 'Lost.' });
  expect(asked).toThrow('The predictor "route" was called with inputs that it does not take: "ticket" is missing.');
  expect(asked).toThrow(InputError);
});

const dead = new WorldError('host-died', 'The model host ended.', 'Run again.');

test('a broken world is thrown', async () => {
  await expect(run(single, () => Promise.reject(dead))).rejects.toBe(dead);
});

test('a broken world is thrown although it was not a promise that broke', async () => {
  const broken = run(single, () => {
    throw dead;
  });
  await expect(broken).rejects.toBe(dead);
});

test('a broken world is thrown although the program catches it and throws something else', async () => {
  const hiding: Structure = {
    ...single,
    async run(given, call) {
      try {
        return await call('route', given);
      } catch {
        throw new Error('no answer');
      }
    },
  };
  await expect(run(hiding, () => Promise.reject(dead))).rejects.toBe(dead);
});

test('a broken world is thrown although the program catches it and answers', async () => {
  const hiding: Structure = {
    ...single,
    run: (given, call) => call('route', given).catch(() => ({ team: 'billing' })),
  };
  await expect(run(hiding, () => Promise.reject(dead))).rejects.toBe(dead);
});

test('whatever asking throws is thrown: it is never the failure of a program', async () => {
  await expect(run(single, () => Promise.reject(new Error('odd')))).rejects.toThrow('odd');
});
