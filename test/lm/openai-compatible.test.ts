import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import type { AnswerPlan } from '../../src/core/lm.ts';
import { firstAttempt } from '../../src/core/program.ts';
import { type LocalModel, localModel } from '../../src/lm/llama/local-model.ts';
import { EndpointError } from '../../src/lm/openai-compatible/endpoint-error.ts';
import {
  type OpenaiCompatibleOptions,
  openaiCompatibleWith,
} from '../../src/lm/openai-compatible/openai-compatible.ts';
import { languageModelContract } from '../contract/language-model-contract.ts';
import {
  type ChatServer,
  chatServer,
  completion,
  type Handler,
  modelList,
  type Reply,
} from '../support/chat-server.ts';
import { llamaServerLike, sglangLike, vllmLike } from '../support/obedient-server.ts';
import { ask, labelPlan } from '../support/requests.ts';
import { answered } from '../support/responses.ts';
import { writeTinyModel } from '../support/tiny-model.ts';

const folder = mkdtempSync(join(tmpdir(), 'better-together-endpoint-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const servers: ChatServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});
const opened = async (server: Promise<ChatServer>): Promise<ChatServer> => {
  servers.push(await server);
  return server;
};

const soon = { backoffMs: 1 };
const open = (options: OpenaiCompatibleOptions) => openaiCompatibleWith(options, soon);

languageModelContract('the local host', async () => {
  const gguf = writeTinyModel(join(folder, 'tiny.gguf'));
  const lm: LocalModel = await localModel({ gguf, device: 'cpu', threads: 1, sequences: 2 });
  return { lm, close: lm.release };
});

const overServer = (start: () => Promise<ChatServer>) => async () => {
  const server = await start();
  return { lm: await open({ url: server.url }), close: server.close };
};
languageModelContract('the host of an endpoint like llama-server', overServer(llamaServerLike));
languageModelContract(
  'the host of an endpoint like vLLM 0.11',
  overServer(() => vllmLike('0.11.2')),
);
languageModelContract(
  'the host of an endpoint like vLLM 0.10',
  overServer(() => vllmLike('0.10.1')),
);

languageModelContract('the host of an endpoint like SGLang', overServer(sglangLike));

const realEndpoint = process.env.BETTER_TOGETHER_TEST_ENDPOINT;
if (realEndpoint === undefined)
  console.log('BETTER_TOGETHER_TEST_ENDPOINT is not set: no real server (such as llama-server) is put to the contract');
else
  languageModelContract(realEndpoint, async () => ({ lm: await open({ url: realEndpoint }), close: async () => {} }));

/** A server that no host knows, with this answer to chat completions. */
const cloud = (chat: Handler | Reply): Promise<ChatServer> =>
  opened(chatServer({ '/v1/models': modelList('small', 'somebody'), '/v1/chat/completions': chat }));

/** Of such a server, with the form of answers settled so that every chat completion is the test's own. */
const openCloud = async (chat: Handler | Reply, options: Partial<OpenaiCompatibleOptions> = {}) => {
  const server = await cloud(chat);
  return { server, lm: await open({ url: server.url, constraint: 'none', ...options }) };
};

/** Answers each request with the next of these, and every later one with the last. */
const inTurn = (...replies: readonly (Handler | Reply)[]): Handler => {
  let next = 0;
  return (asked, response) => {
    const reply = replies[Math.min(next++, replies.length - 1)]!;
    return typeof reply === 'function' ? reply(asked, response) : reply;
  };
};

const hello = completion('Hello!');
const helloAnswer = answered(['Hello!'], { usage: { prompt: 20, cachedPrompt: 12, completion: 5 } });

describe('a request', () => {
  test('holds the conversation, the sampling and the name of the model', async () => {
    const { server, lm } = await openCloud(hello);
    const turns = [{ user: 'A', assistant: 'B' }];
    await ask(lm, { system: 'Be brief.', turns, user: 'Hi', sampling: { temperature: 0.7, topP: 0.9, seed: 3 } });
    expect(server.chats()).toEqual([
      {
        model: 'small',
        messages: [
          { role: 'system', content: 'Be brief.' },
          { role: 'user', content: 'A' },
          { role: 'assistant', content: 'B' },
          { role: 'user', content: 'Hi' },
        ],
        temperature: 0.7,
        top_p: 0.9,
        max_tokens: 32,
        seed: 3,
      },
    ]);
  });

  test('has no seed where nothing is drawn, and no system message where there is no system text', async () => {
    const { server, lm } = await openCloud(hello);
    await ask(lm, { user: 'Hi' });
    expect(server.chats()).toEqual([
      { model: 'small', messages: [{ role: 'user', content: 'Hi' }], temperature: 0, top_p: 1, max_tokens: 32 },
    ]);
  });

  test('carries the fields that the user wants in it', async () => {
    const { server, lm } = await openCloud(hello, { body: { reasoning_effort: 'low', max_tokens: 99 } });
    await ask(lm, { user: 'Hi' });
    expect(server.chats()[0]).toMatchObject({ reasoning_effort: 'low', max_tokens: 99 });
  });

  test('carries the key of the environment variable, and only there', async () => {
    process.env.TEST_ENDPOINT_KEY = 'sk-secret';
    const { server, lm } = await openCloud(
      { status: 401, body: { error: 'no such key: sk-secret' } },
      {
        apiKeyVariable: 'TEST_ENDPOINT_KEY',
      },
    );
    const error = await ask(lm, { user: 'Hi' }).catch((thrown: unknown) => thrown);
    expect(server.asked.map(({ headers }) => headers.authorization)).toEqual(['Bearer sk-secret', 'Bearer sk-secret']);
    expect(error).toMatchObject({
      name: 'WorldError',
      code: 'endpoint-unauthorized',
      status: 401,
      message: `The endpoint ${server.url} answered 401: ${JSON.stringify('{"error":"no such key: [key]"}')}`,
      hint: 'Put a valid key for it into the environment variable TEST_ENDPOINT_KEY.',
    });
    expect(JSON.stringify([lm, await lm.engine(), error])).not.toContain('sk-secret');
    delete process.env.TEST_ENDPOINT_KEY;
  });
});

test('a choice that needs probabilities is refused by name', async () => {
  const { server, lm } = await openCloud(hello);
  const request = {
    model: { base: lm.base.sha256, adapter: null },
    prompt: { system: '', turns: [], user: 'Hi' },
    answer: labelPlan(['a', 'b']),
    choice: { logPriors: [null, [-1, -1], null] },
    sampling: { ...firstAttempt, maxTokens: 32 },
  };
  await expect(lm.generate(request, { adapter: null })).rejects.toMatchObject({
    code: 'choice-out-of-reach',
    message: expect.stringContaining('"calibrated"'),
  });
  expect(server.chats()).toEqual([]);
});

describe('an answer', () => {
  test('brings its tokens as the server counted them', async () => {
    const { lm } = await openCloud(hello);
    expect(await ask(lm, { user: 'Hi' })).toEqual(helloAnswer);
  });

  test.each<[string, Reply, string]>([
    ['that was cut off', completion('Once upon', { finish_reason: 'length' }), 'length'],
    ['that a filter stopped', completion('', { finish_reason: 'content_filter' }), 'refused'],
    [
      'that the model refused',
      completion(null, { message: { role: 'assistant', content: null, refusal: 'I cannot.' } }),
      'refused',
    ],
    ['that is none of the labels', completion('{"label": "none"}'), 'parse'],
    ['that is empty', completion(null), 'parse'],
    [
      'to a prompt that is too long for a cloud',
      { status: 400, body: { error: { code: 'context_length_exceeded', message: 'too long' } } },
      'length',
    ],
    [
      "to a prompt that a cloud's filter does not like",
      { status: 400, body: { error: { code: 'content_filter', message: 'no' } } },
      'refused',
    ],
  ])('%s is a row with its failure', async (_, reply, kind) => {
    const { lm } = await openCloud(reply);
    expect((await ask(lm, { user: 'Hi', answer: labelPlan(['billing']) })).failure?.kind).toBe(kind);
  });

  test('with blanks and an order of its own is read as the plan writes it', async () => {
    const plan: AnswerPlan = [
      { type: 'text', text: '{"team": "' },
      { type: 'choice', options: ['billing', 'delivery'] },
      { type: 'text', text: '", "parts": ' },
      { type: 'value', grammar: '', end: { kind: 'json', after: '}' } },
    ];
    const { lm } = await openCloud(completion('```json\n{"parts":[1,\n2], "team":"delivery", "more":0}\n```'));
    expect(await ask(lm, { user: 'Hi', answer: plan })).toMatchObject({
      pieces: ['{"team": "', 'delivery', '", "parts": ', '[1, 2]}'],
    });
  });
});

describe('what may pass is tried again:', () => {
  test.each<[string, Handler | Reply]>([
    ['500', { status: 500, body: 'Internal Server Error' }],
    ['503', { status: 503, body: { error: 'loading model' } }],
    ['408', { status: 408 }],
    ['429 without a word about when', { status: 429 }],
    ['a reply that is no JSON', { body: '<html>busy</html>' }],
    ['a connection that is reset', (_, response) => void response.socket?.resetAndDestroy()],
    [
      'a reply that breaks off',
      (_, response) => void response.writeHead(200, { 'content-length': 99 }).write('{"ch', () => response.destroy()),
    ],
  ])('%s', async (_, reply) => {
    const { server, lm } = await openCloud(inTurn(reply, reply, hello));
    expect(await ask(lm, { user: 'Hi' })).toEqual(helloAnswer);
    expect(server.chats()).toHaveLength(3);
  });

  test('a server that hangs, after the timeout', async () => {
    const { server, lm } = await openCloud(
      inTurn(() => undefined, hello),
      { timeoutMs: 1000 },
    );
    expect(await ask(lm, { user: 'Hi' })).toEqual(helloAnswer);
    expect(server.chats()).not.toHaveLength(1);
  });

  test('a limit with Retry-After when it has passed, by all requests and without using up a try', async () => {
    const times: number[] = [];
    const limited: Reply = { status: 429, headers: { 'retry-after': '1' }, body: { error: 'slow down' } };
    const { server, lm } = await openCloud(
      (asked, response) => {
        times.push(performance.now());
        return inTurns(asked, response);
      },
      { retries: 0 },
    );
    const inTurns = inTurn(limited, hello);
    const first = ask(lm, { user: 'one' });
    while (times.length < 1) await new Promise((resolve) => setTimeout(resolve, 5));
    // The limit is known here a moment later; a request that comes then waits for its end.
    await new Promise((resolve) => setTimeout(resolve, 200));
    const second = ask(lm, { user: 'two' });
    expect(await Promise.all([first, second])).toEqual([helloAnswer, helloAnswer]);
    expect(server.chats()).toHaveLength(3);
    expect(times.slice(1).every((time) => time - times[0]! >= 990)).toBe(true);
  });
});

describe('what does not pass is an error with the remedy:', () => {
  test.each<[Reply, string, string]>([
    [{ status: 401, body: { error: 'key?' } }, 'endpoint-unauthorized', 'BETTER_TOGETHER_API_KEY'],
    [{ status: 403 }, 'endpoint-unauthorized', 'BETTER_TOGETHER_API_KEY'],
    [{ status: 404, body: { error: 'what?' } }, 'endpoint-not-found', '/v1'],
    [{ status: 400, body: { error: 'bad field' } }, 'endpoint-rejected', 'constraint'],
    [{ status: 501 }, 'endpoint-failing', 'server'],
    [
      { status: 307, headers: { location: 'http://elsewhere.example/v1' } },
      'endpoint-redirects',
      'only where you said',
    ],
  ])('%j at once', async (reply, code, remedy) => {
    const { server, lm } = await openCloud(reply);
    await expect(ask(lm, { user: 'Hi' })).rejects.toMatchObject({
      code,
      status: reply.status,
      hint: expect.stringContaining(remedy),
    });
    expect(server.chats()).toHaveLength(1);
  });

  test.each<[string, Handler | Reply, string]>([
    ['a server that goes on failing', { status: 500, body: 'oops' }, 'endpoint-failing'],
    ['a limit that stays', { status: 429 }, 'endpoint-rate-limited'],
    ['rubbish that stays', { body: 'not JSON' }, 'endpoint-unreadable'],
    [
      'a server that goes on resetting',
      (_, response) => void response.socket?.resetAndDestroy(),
      'endpoint-unreachable',
    ],
  ])('%s, after the last try', async (_, reply, code) => {
    const { server, lm } = await openCloud(reply, { retries: 2 });
    const error = await ask(lm, { user: 'Hi' }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(EndpointError);
    expect(error).toMatchObject({ name: 'WorldError', code });
    expect(server.chats()).toHaveLength(3);
  });

  test('a server that goes on hanging', async () => {
    const { server, lm } = await openCloud(() => undefined, { retries: 1, timeoutMs: 1000 });
    await expect(ask(lm, { user: 'Hi' })).rejects.toMatchObject({
      name: 'WorldError',
      code: 'endpoint-timeout',
      message: `The endpoint ${server.url} did not answer within 1 seconds.`,
    });
  });

  test('JSON that is no chat completion', async () => {
    const { lm } = await openCloud({ body: { choices: [] } });
    await expect(ask(lm, { user: 'Hi' })).rejects.toMatchObject({ code: 'endpoint-unreadable' });
  });

  test('a server that is gone', async () => {
    const { server, lm } = await openCloud(hello, { retries: 1 });
    await server.close();
    await expect(ask(lm, { user: 'Hi' })).rejects.toMatchObject({
      code: 'endpoint-unreachable',
      message: `The endpoint ${server.url} cannot be reached: ECONNREFUSED.`,
    });
  });

  test('a limit that lasts longer than half an hour', async () => {
    const { server, lm } = await openCloud({ status: 429, headers: { 'retry-after': '3600' } });
    await expect(ask(lm, { user: 'Hi' })).rejects.toMatchObject({ code: 'endpoint-rate-limited' });
    expect(server.chats()).toHaveLength(1);
  });
});

describe('requests', () => {
  test('are under way only so many at once, and all are answered', async () => {
    let inside = 0;
    let most = 0;
    const { server, lm } = await openCloud(
      async () => {
        most = Math.max(most, ++inside);
        await new Promise((resolve) => setTimeout(resolve, 20));
        inside--;
        return hello;
      },
      { maxInFlight: 2 },
    );
    const answers = await Promise.all(Array.from({ length: 7 }, (_, index) => ask(lm, { user: `${index}` })));
    expect(answers).toEqual(answers.map(() => helloAnswer));
    expect([most, server.chats().length]).toEqual([2, 7]);
  });

  test('that are not wanted any more leave their place, whether they wait or are under way', async () => {
    const hung: (() => void)[] = [];
    const { server, lm } = await openCloud(
      (asked, response) => {
        if (asked.body.messages[0]?.content !== 'hang') return hello;
        response.on('close', () => hung.pop()?.());
        return undefined;
      },
      { maxInFlight: 1 },
    );
    const stop = new AbortController();
    const underWay = ask(lm, { user: 'hang', signal: stop.signal });
    const waiting = ask(lm, { user: 'never sent', signal: stop.signal });
    while (server.chats().length < 1) await new Promise((resolve) => setTimeout(resolve, 5));
    const closed = new Promise<void>((resolve) => hung.push(resolve));
    stop.abort(new Error('enough'));
    await expect(underWay).rejects.toThrow('enough');
    await expect(waiting).rejects.toThrow('enough');
    await closed;
    expect(await ask(lm, { user: 'Hi' })).toEqual(helloAnswer);
    expect(server.chats().map(({ messages }) => messages[0]?.content)).toEqual(['hang', 'Hi']);
  });

  test('that wait for their next try stop waiting when they are not wanted any more', async () => {
    const server = await cloud({ status: 500 });
    const lm = await openaiCompatibleWith({ url: server.url, constraint: 'none' }, { backoffMs: 60_000 });
    const stop = new AbortController();
    const asked = ask(lm, { user: 'Hi', signal: stop.signal });
    while (server.chats().length < 1) await new Promise((resolve) => setTimeout(resolve, 5));
    setTimeout(() => stop.abort(new Error('enough')), 50);
    await expect(asked).rejects.toThrow('enough');
  });
});

describe('the form of answers', () => {
  const backendOf = async (server: ChatServer): Promise<string> =>
    (await (await open({ url: server.url })).engine()).backend;

  test('is told in the way that the server follows', async () => {
    const forms = [llamaServerLike(), vllmLike('0.11.0'), vllmLike('0.10.2')].map(async (server) =>
      backendOf(await opened(server)),
    );
    expect(await Promise.all(forms)).toEqual(['grammar', 'structured_outputs', 'guided_grammar']);
  });

  test('is a JSON schema for a server that follows one, whoever it is', async () => {
    const server = await cloud(({ body }) =>
      completion(
        `${JSON.stringify(body.response_format)}`.includes('"enum":["c4b1e9"]') ? '{"answer":"c4b1e9"}' : 'Hello!',
      ),
    );
    const lm = await open({ url: server.url });
    expect((await lm.engine()).backend).toBe('response_format');
    expect(lm.notices.map(({ code }) => code)).toContain('answers-unconstrained');
    await ask(lm, { user: 'Hi', answer: labelPlan(['billing', 'delivery']) });
    expect(server.chats().at(-1)?.response_format).toEqual({
      type: 'json_schema',
      json_schema: {
        name: 'answer',
        strict: true,
        schema: {
          type: 'object',
          properties: { label: { enum: ['billing', 'delivery'] } },
          required: ['label'],
          additionalProperties: false,
        },
      },
    });
    await ask(lm, { user: 'Hi', answer: [{ type: 'choice', options: ['billing', 'delivery'] }] });
    expect(server.chats().at(-1)).not.toHaveProperty('response_format');
  });

  test.each<[string, Handler | Reply]>([
    ['passes over', completion('Hello! How can I help?')],
    ['refuses', ({ body }) => (body.response_format ? { status: 400, body: { error: 'response_format?' } } : hello)],
  ])('is left to the model, with a notice, where the server %s what it is told', async (_, chat) => {
    const server = await cloud(chat);
    const lm = await open({ url: server.url });
    expect((await lm.engine()).backend).toBe('none');
    expect(lm.notices.map(({ code }) => code)).toEqual(['answers-unconstrained']);
  });

  test('that the user names is used without asking', async () => {
    const { server, lm } = await openCloud(hello, { constraint: 'ebnf' });
    await ask(lm, { user: 'Hi', answer: labelPlan(['a.b', 'c']) });
    expect(server.chats().map(({ ebnf }) => ebnf)).toEqual([String.raw`root ::= "{\"label\": \"" ("a.b" | "c") "\"}"`]);
  });

  test('of an engine that a run started with is used again', async () => {
    const { server, lm } = await openCloud(hello);
    await lm.engine({ ...(await lm.engine()), backend: 'ebnf' });
    await ask(lm, { user: 'Hi', answer: labelPlan(['a']) });
    expect(server.chats()[0]).toHaveProperty('ebnf');
  });
});

describe('the id of the model', () => {
  const idOf = async (chat: ChatServer, more: Partial<OpenaiCompatibleOptions> = {}) =>
    (await open({ url: chat.url, constraint: 'none', ...more })).base.sha256;

  test('is the same at every opening, and another for another model, other weights, another server or other fields', async () => {
    let root = 'org/model';
    const models: Handler = () => ({
      body: { data: ['a', 'b'].map((id) => ({ id, owned_by: 'vllm', root, created: performance.now() })) },
    });
    const server = await opened(chatServer({ '/v1/models': models }));
    const other = await opened(chatServer({ '/v1/models': models }));
    const first = await idOf(server, { model: 'a' });
    expect(await idOf(server, { model: 'a' })).toBe(first);
    expect(await idOf({ ...server, url: `${server.url}/` }, { model: 'a' })).toBe(first);
    const others = [
      await idOf(server, { model: 'b' }),
      await idOf(other, { model: 'a' }),
      await idOf(server, { model: 'a', body: { reasoning_effort: 'low' } }),
    ];
    root = 'org/retrained';
    expect(new Set([first, ...others, await idOf(server, { model: 'a' })]).size).toBe(5);
  });

  test("stays when the server is updated, which its engine's build says", async () => {
    let version = '0.11.0';
    const server = await opened(
      chatServer({
        '/v1/models': modelList('a', 'vllm'),
        '/version': () => ({ body: { version } }),
      }),
    );
    const before = await open({ url: server.url, constraint: 'none' });
    version = '0.12.0';
    const after = await open({ url: server.url, constraint: 'none' });
    expect(after.base).toEqual(before.base);
    expect([(await before.engine()).build, (await after.engine()).build]).toEqual(['0.11.0', '0.12.0']);
  });

  test.each([
    [
      'the digest that Ollama knows the weights by',
      (weights: string) => ({
        '/v1/models': modelList('a', 'library'),
        '/api/tags': { body: { models: [{ name: 'a:latest', digest: weights }] } },
        '/api/version': { body: { version: '0.9.0' } },
      }),
      { version: 'Ollama', build: '0.9.0' },
    ],
    [
      'the revision of the weights that SGLang names',
      (weights: string) => ({
        '/v1/models': modelList('a', 'sglang'),
        '/get_server_info': { body: { version: '0.5.4', model_path: 'org/a', revision: weights } },
      }),
      { version: 'SGLang', build: '0.5.4' },
    ],
  ])('has %s', async (_, routesWith, engine) => {
    let weights = 'one';
    // One server, because its address is part of the id.
    const routes = Object.keys(routesWith('')).map((route): [string, Handler] => [
      route,
      () => routesWith(weights)[route as keyof ReturnType<typeof routesWith>],
    ]);
    const server = await opened(chatServer(Object.fromEntries(routes)));
    const before = await open({ url: server.url, constraint: 'none' });
    expect((await open({ url: server.url, constraint: 'none' })).base).toEqual(before.base);
    weights = 'other';
    expect((await open({ url: server.url, constraint: 'none' })).base.sha256).not.toBe(before.base.sha256);
    expect(await before.engine()).toMatchObject(engine);
  });
});

describe('opening', () => {
  test('takes the facts that the server reports', async () => {
    const server = await opened(llamaServerLike());
    const lm = await open({ url: server.url });
    expect(lm.base).toMatchObject({
      path: `${server.url}#small.gguf`,
      name: 'small.gguf',
      parameters: 134515008,
      trainedContextTokens: 8192,
      fileType: 'Q8_0',
    });
    expect(await lm.engine()).toEqual({
      name: 'openai-compatible',
      version: 'llama.cpp',
      method: 1,
      build: 'b9000-abcdef0',
      backend: 'grammar',
      device: 'endpoint',
      threads: 0,
      sequences: 4,
      batchTokens: 0,
      contextTokens: 512,
      reproducible: 'replay',
    });
  });

  test.each<[string, Partial<OpenaiCompatibleOptions>, string, string]>([
    [
      'credentials in the address',
      { url: 'http://user:pass@127.0.0.1/v1' },
      'endpoint-invalid',
      'environment variable',
    ],
    ['a key in the address', { url: 'http://127.0.0.1/v1?key=sk' }, 'endpoint-invalid', 'environment variable'],
    ['an address of another kind', { url: 'file:///etc' }, 'endpoint-invalid', 'http://127.0.0.1:8080/v1#model-name'],
    ['a variable that is not set', { apiKeyVariable: 'NOT_SET_ANYWHERE' }, 'endpoint-options', 'default'],
    ['no room for requests', { maxInFlight: 0 }, 'endpoint-options', 'default'],
    ['a timeout that fetch cannot keep', { timeoutMs: 300_001 }, 'endpoint-options', 'default'],
  ])('refuses %s', async (_, options, code, hint) => {
    const refused = await open({ url: 'http://127.0.0.1:9/v1', ...options }).catch((error: unknown) => error);
    expect(refused).toMatchObject({ name: 'InputError', code, hint: expect.stringContaining(hint) });
    expect(JSON.stringify(refused) + String(refused)).not.toMatch(/pass|sk/);
  });

  test('names the models that there are, when the name is wrong or missing', async () => {
    const models = { body: { data: [{ id: 'small' }, { id: 'large' }] } };
    const server = await opened(chatServer({ '/v1/models': models }));
    await expect(open({ url: server.url, model: 'tiny' })).rejects.toMatchObject({
      code: 'endpoint-model-unknown',
      hint: 'It has: small, large.',
    });
    await expect(open({ url: server.url })).rejects.toMatchObject({
      code: 'endpoint-model-missing',
      hint: `It has: small, large. Name one: ${server.url}#model-name.`,
    });
  });

  test('of an endpoint that refuses the key, or is none, is a mistake of the input', async () => {
    const closed = await opened(chatServer({ '/v1/models': { status: 401 } }));
    await expect(open({ url: closed.url })).rejects.toMatchObject({
      name: 'InputError',
      code: 'endpoint-unauthorized',
    });
    const empty = await opened(chatServer({}));
    await expect(open({ url: empty.url, model: 'a' })).rejects.toMatchObject({
      name: 'InputError',
      code: 'endpoint-not-found',
    });
  });
});
