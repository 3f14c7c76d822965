import { expect, test } from 'vitest';
import type { AnswerPlan, LanguageModel, LmRequest } from '../../src/core/lm.ts';
import { tokenBounds } from '../../src/run/token-bound.ts';
import { question } from '../support/memory.ts';
import { labelPlan } from '../support/requests.ts';
import { scriptedEngine, scriptedModel } from '../support/scripted-model.ts';

const local = scriptedModel(() => ['']);
const endpoint: LanguageModel = { ...local, weights: null };

const asking = (user: string, answer: AnswerPlan = null, maxTokens = 8): LmRequest => ({
  ...question(user),
  answer,
  sampling: { ...question(user).sampling, maxTokens },
});

const boundOf = (request: LmRequest, model: LanguageModel = local, contextTokens = 4096) =>
  tokenBounds()(request, model, { ...scriptedEngine, contextTokens });

test('the template of a model is measured: texts count by their bytes, turns by what is written around them', async () => {
  const bare = await boundOf(asking('question'));
  const request = asking('question');
  const turns = [{ user: 'é', assistant: 'no' }];
  const shown = await boundOf({ ...request, prompt: { ...request.prompt, turns } });
  // The scripted model writes a line end between two texts, and a token is a character: 2 + 2 bytes and 2 + 2 of the template.
  expect(shown - bare).toBe(8);
});

test('an answer among labels takes no more tokens than the longest has bytes', async () => {
  const [short, long] = [
    await boundOf(asking('a', labelPlan(['x', 'xy']), 512)),
    await boundOf(asking('a', null, 512)),
  ];
  expect(long - short).toBe(512 - ('{"label": "xy"}'.length + 1));
});

test('a local host computes no more than its context, but for what is forced at the end', async () => {
  expect(await boundOf(asking('a', null, 512), local, 100)).toBe(101);
});

test('a prompt that is too long for the context is counted whole', async () => {
  expect(await boundOf(asking('a'.repeat(300), null, 512), local, 100)).toBeGreaterThan(300);
});

test('of an endpoint neither context nor labels lower the bound', async () => {
  const free = await boundOf(asking('a', null, 512), endpoint, 100);
  expect(free).toBeGreaterThan(512 + 1);
  expect(await boundOf(asking('a', labelPlan(['x']), 512), endpoint, 100)).toBe(free);
});
