import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { AnswerPlan, LanguageModel } from '../../src/core/lm.ts';
import { openaiCompatibleWith } from '../../src/lm/openai-compatible/openai-compatible.ts';
import { languageModelContract } from '../contract/language-model-contract.ts';
import { findLlamaServer, type LlamaServer, startLlamaServer } from '../support/llama-server.ts';
import { defaultModel } from '../support/models.ts';
import { ask, labelPlan } from '../support/requests.ts';

// A real server with a real model, in place of the imitations of openai-compatible.test.ts.
const path = findLlamaServer();
if (path === undefined) console.log('No llama-server is on the PATH: the endpoint host is not put to a real server');

const open = (url: string): Promise<LanguageModel> => openaiCompatibleWith({ url }, { backoffMs: 1000 });

if (path !== undefined) {
  languageModelContract('the host of a real llama-server', async () => {
    const server = await startLlamaServer(path, defaultModel);
    return { lm: await open(server.url), close: server.close };
  });
}

describe.runIf(path !== undefined)('a real llama-server', () => {
  let server: LlamaServer;
  let lm: LanguageModel;
  beforeAll(async () => {
    server = await startLlamaServer(path!, defaultModel);
    lm = await open(server.url);
  }, 120_000);
  afterAll(() => server.close());

  test('says which model it has, and holds answers to a grammar', async () => {
    expect(lm.base).toMatchObject({ parameters: 134_515_008, vocabularySize: 49_152, trainedContextTokens: 8192 });
    expect(await lm.engine()).toMatchObject({
      version: 'llama.cpp',
      build: expect.stringMatching(/\w/),
      backend: 'grammar',
      sequences: 4,
      contextTokens: 512,
    });
    expect((await open(server.url)).base).toEqual(lm.base);
  });

  test('takes the grammars of numbers, patterns and lengths that we write', async () => {
    const value = (grammar: string): AnswerPlan => [{ type: 'value', grammar, end: { kind: 'turn' } }];
    const response = await ask(lm, { user: 'A code?', answer: value('root ::= [A-Z]{3} "-" [0-9]{2,4}') });
    expect(response).toMatchObject({ failure: null, pieces: [expect.stringMatching(/^[A-Z]{3}-[0-9]{2,4}$/)] });
  });

  test('gives the same answer to the same seed, and counts the tokens of a prompt that it knows', async () => {
    const asked = { user: 'Tell a story.', sampling: { temperature: 1, seed: 7, maxTokens: 24 } };
    const [one, other] = [await ask(lm, asked), await ask(lm, asked)];
    expect(other).toMatchObject({ ...one, usage: expect.anything() });
    expect(other.usage.prompt).toBeGreaterThan(0);
    expect(other.usage.cachedPrompt).toBeGreaterThan(0);
  });

  test('that is killed and started again costs tries, not answers', async () => {
    const plan = labelPlan(['a', 'b']);
    const asked = Promise.allSettled(Array.from({ length: 12 }, (_, at) => ask(lm, { user: `${at}`, answer: plan })));
    await delay(50);
    const port = Number(new URL(server.url).port);
    await server.close();
    server = await startLlamaServer(path!, defaultModel, port);
    const answered = { status: 'fulfilled', value: { failure: null } };
    expect(await asked).toMatchObject(Array.from({ length: 12 }, () => answered));
  });
});
