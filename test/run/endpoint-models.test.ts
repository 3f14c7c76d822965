import { afterAll, beforeAll, expect, test } from 'vitest';
import { predict } from '../../src/core/callable.ts';
import { InputError } from '../../src/core/errors.ts';
import { signature } from '../../src/core/signature.ts';
import { exactMatch } from '../../src/evaluate/metrics.ts';
import { openaiCompatible } from '../../src/lm/openai-compatible/openai-compatible.ts';
import { bootstrapFewShot } from '../../src/optimize/bootstrap-few-shot.ts';
import { bootstrapFinetune } from '../../src/optimize/bootstrap-finetune.ts';
import { labeledFewShot } from '../../src/optimize/labeled-few-shot.ts';
import { betterTogetherOver, type Defaults } from '../../src/run/better-together.ts';
import { type ChatServer, chatServer, completion, modelList } from '../support/chat-server.ts';
import { ownStore } from '../support/own-store.ts';
import { scriptedModel } from '../support/scripted-model.ts';

// Runs whose models are asked over HTTP. The server knows the team from the ticket's last word.

const routing = signature("ticket -> team: 'billing' | 'delivery'");
const rows = Array.from({ length: 24 }, (_, index) => {
  const team = index % 2 === 0 ? 'billing' : 'delivery';
  return { ticket: `ticket ${index} is for ${team}`, team };
});

let server: ChatServer;
beforeAll(async () => {
  server = await chatServer({
    '/v1/models': modelList('clever', 'somebody'),
    '/v1/chat/completions': ({ body }) =>
      completion(JSON.stringify({ team: body.messages.at(-1)?.content.split(' ').at(-1) })),
  });
});
afterAll(() => server.close());

const endpoint = () => openaiCompatible({ url: server.url, constraint: 'response_format' });

const defaults: Defaults = {
  version: 'test',
  concurrency: 4,
  openStore: () => ownStore(),
  trainer: () => expect.fail('nothing is to be trained'),
  now: () => 0,
  onNetworkAttempt: () => () => {},
  optimizers: () => ({ p: labeledFewShot({ k: 2, keepStart: false }), w: bootstrapFinetune() }),
};
const optimize = betterTogetherOver(defaults)({ metric: exactMatch('team') });

test('a run searches the prompts of a model behind an endpoint, and its record says what is estimated', async () => {
  const lm = await endpoint();
  const best = await optimize.compile(predict(routing).withLm(lm), { trainset: rows, valsetRatio: 0.5, strategy: 'p' });
  expect(best.summary.candidates.map(({ val }) => val?.mean)).toEqual([1, 1]);
  expect(best.summary.reproducible).toBe('replay');
  expect(best.summary.notices.map(({ code }) => code)).toEqual(
    expect.arrayContaining(['tokens-estimated', 'answers-unconstrained']),
  );
  expect(best.summary.candidates[1]?.candidate.predictors.predict?.demos).toHaveLength(2);
  expect(best.summary.tokens).toMatchObject({ prompt: 24 * 20, completion: 24 * 5 });
  expect(await best({ ticket: 'one more for delivery' })).toEqual({ team: 'delivery' });
});

test('a weight step on such a model is refused by name before anything is asked', async () => {
  const student = predict(routing).withLm(await endpoint());
  const before = server.chats().length;
  const start = () => optimize.compile(student, { trainset: rows, strategy: 'p -> w -> p' });
  expect(start).toThrow(InputError);
  expect(start).toThrow(
    `The model "clever" at ${server.url}#clever answers, but the step "w" would train its weights.`,
  );
  expect(server.chats()).toHaveLength(before);
});

test('such a model teaches a local student', async () => {
  const student = predict(routing).withLm(scriptedModel(() => ['billing']));
  const teacher = predict(routing).withLm(await endpoint());
  const taught = betterTogetherOver(defaults)({
    metric: exactMatch('team'),
    optimizers: { p: bootstrapFewShot({ maxBootstrappedDemos: 4, maxLabeledDemos: 0, keepStart: false }) },
  });
  const best = await taught.compile(student, { trainset: rows, valset: [], strategy: 'p', teacher });
  const demos = best.summary.chosen.candidate.predictors.predict?.demos ?? [];
  expect(new Set(demos.map(({ outputs }) => outputs.team))).toEqual(new Set(['billing', 'delivery']));
});
