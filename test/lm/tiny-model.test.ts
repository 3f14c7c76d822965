import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { InputError, WorldError } from '../../src/core/errors.ts';
import type { AdapterFile, TokenRow } from '../../src/core/lm.ts';
import { seededRng } from '../../src/core/rng.ts';
import { type LocalModel, localModel } from '../../src/lm/llama/local-model.ts';
import { hostsOf } from '../support/host-processes.ts';
import { type Ask, ask, labelPlan } from '../support/requests.ts';
import { writeTinyAdapter } from '../support/tiny-adapter.ts';
import { writeTinyModel } from '../support/tiny-model.ts';

// Real native code on random weights: what comes out means nothing, and all of it must be right.
const timeout = 60_000;
let folder: string;
let lm: LocalModel;
const inFolder = (name: string) => join(folder, name);
const open = (gguf: string, sequences = 4) => localModel({ gguf, device: 'cpu', threads: 1, sequences });

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'better-together-test-'));
  lm = await open(writeTinyModel(inFolder('tiny.gguf')));
  await lm.engine();
}, timeout);
afterAll(async () => {
  await lm.release();
  await rm(folder, { recursive: true });
});

const labels = ['billing', 'delivery', 'bill', 'account', 'a'];
const value = { type: 'value', grammar: 'root ::= [a-z ]{1,8} "."', end: { kind: 'text', text: '.' } } as const;

/** All kinds of answers behind a few prefixes. */
function mixedRequests(count: number, adapters: readonly (AdapterFile | null)[] = [null]): Ask[] {
  const rng = seededRng('mixed requests');
  return Array.from({ length: count }, (_, index): Ask => {
    const answer = index % 2 === 0 ? labelPlan(labels) : [{ type: 'text', text: 'So: ' } as const, value];
    return {
      system: ['', 'Be brief.', 'Say why, at some length.'][rng.int(3)]!,
      user: 'word '.repeat(rng.int(40)) + index,
      answer,
      adapter: adapters[rng.int(adapters.length)]!,
      sampling: { temperature: rng.int(2), seed: index },
    };
  });
}

test(
  'answers are a function of their requests: in any order, company, slot and number of slots',
  async () => {
    const requests = mixedRequests(40);
    const answers = await Promise.all(requests.map((request) => ask(lm, request)));
    expect(answers.every(({ failure }) => failure === null)).toBe(true);
    expect((await lm.engine()).reproducible).toBe('bytes');
    const order = seededRng(1).shuffle([...requests.keys()]);
    const shuffled = await Promise.all(order.map((index) => ask(lm, requests[index]!)));
    expect(shuffled).toEqual(order.map((index) => answers[index]));
    for (const sequences of [1, 2]) {
      await using other = await open(lm.base.path, sequences);
      expect(await Promise.all(requests.map((request) => ask(other, request)))).toEqual(answers);
    }
  },
  timeout,
);

test(
  'decoding a label gives the tokens of its training row, whatever the labels',
  async () => {
    const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 8 });
    const sets = fc.uniqueArray(text, { minLength: 1, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(sets, async (options) => {
        const decoded = await ask(lm, { user: 'Hi', answer: labelPlan(options), sampling: { maxTokens: 200 } });
        if (decoded.failure) return expect.fail(decoded.failure.message);
        const [row] = await lm.encode([{ prompt: { system: '', turns: [], user: 'Hi' }, pieces: decoded.pieces }]);
        expect(options).toContain(decoded.pieces[1]);
        expect(decoded.completionIds).toEqual(row!.completionIds);
      }),
      { seed: 1, numRuns: 60 },
    );
  },
  timeout,
);

test('the texts of a row are those of its messages and pieces, token by token', async () => {
  const prompt = { system: 'Sys', turns: [{ user: 'a', assistant: 'b' }], user: 'Ünïcode 🙂' };
  const pieces = ['{"kind": "', 'billing', '"}'];
  const rows = await lm.encode([{ prompt, pieces, given: 1 }]);
  const [texts] = await lm.tokenTexts(rows);
  const [{ promptIds, completionIds }] = rows as [TokenRow];
  expect(texts).toHaveLength(promptIds.length + completionIds.length);
  expect(texts!.slice(0, promptIds.length).join('')).toBe(
    '<|im_start|>system\nSys<|im_end|>\n<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\nb<|im_end|>\n' +
      '<|im_start|>user\nÜnïcode 🙂<|im_end|>\n<|im_start|>assistant\n{"kind": "',
  );
  expect(texts!.slice(promptIds.length)).toEqual(['billing', '"}', '<|im_end|>']);
});

test('the label that is taken is the one with the highest logit at each fork', async () => {
  const prompt = { system: '', turns: [], user: 'Hi' };
  const options = ['b', 'c', 'd', 'e', 'f'];
  const decoded = await ask(lm, { ...prompt, answer: [{ type: 'choice', options }] });
  const rows = await lm.encode(options.map((option) => ({ prompt, pieces: [option] })));
  const { promptIds } = rows[0]!;
  const [distribution] = await lm.logProbabilities([{ ids: promptIds, positions: [promptIds.length - 1] }], null);
  const chances = rows.map(({ completionIds }) => distribution![completionIds[0]!]!);
  expect(decoded.failure === null && decoded.pieces).toEqual([options[chances.indexOf(Math.max(...chances))]]);
});

test('whole labels are weighed as the model itself weighs their tokens, whatever it was asked before', async () => {
  const prompt = { system: '', turns: [], user: 'Hi' };
  const options = ['up', 'upper', 'down', 'downtown', 'left'];
  const weigh = async () => {
    const decoded = await ask(lm, { ...prompt, answer: [{ type: 'choice', options }], choice: 'most-probable' });
    return decoded.failure ? expect.fail(decoded.failure.message) : decoded;
  };
  const decoded = await weigh();
  const rows = await lm.encode(options.map((option) => ({ prompt, pieces: [option] })));
  const logs = await Promise.all(
    rows.map(async ({ promptIds, completionIds }) => {
      const positions = completionIds.map((_, index) => promptIds.length - 1 + index);
      const distributions = await lm.logProbabilities([{ ids: [...promptIds, ...completionIds], positions }], null);
      return completionIds.reduce((sum, id, index) => sum + distributions[index]![id]!, 0);
    }),
  );
  const weights = logs.map(Math.exp);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const { confidence, probabilities } = decoded.choices[0]!;
  expect(probabilities).toEqual(weights.map((weight) => expect.closeTo(weight / total, 2)));
  expect(confidence).toBe(Math.max(...probabilities!));
  expect(decoded.pieces).toEqual([options[probabilities!.indexOf(confidence)]]);
  expect(await weigh()).toEqual(decoded);
});

describe('a release', () => {
  test.runIf(process.platform === 'linux')(
    'ends the process and removes what it wrote; the next use opens the same engine',
    async () => {
      await using other = await open(lm.base.path);
      const before = await ask(other, { user: 'Hi', answer: labelPlan(labels) });
      const engine = await other.engine();
      expect(await hostsOf(other)).toHaveLength(2);
      await other.release();
      expect(await hostsOf(other)).toHaveLength(1);
      expect(await ask(other, { user: 'Hi', answer: labelPlan(labels) })).toEqual(before);
      expect(await other.engine()).toEqual(engine);
    },
    timeout,
  );
});

test(
  'the layout of a wanted engine is taken over, whatever was asked for at first',
  async () => {
    const engine = await lm.engine();
    await using again = await open(lm.base.path, 2);
    expect((await again.engine()).sequences).toBe(2);
    const [answer, wanted] = await Promise.all([
      ask(again, { user: 'Hi', answer: labelPlan(labels) }),
      again.engine(engine),
    ]);
    expect(wanted).toEqual(engine);
    expect(await again.engine()).toEqual(engine);
    expect(await ask(again, { user: 'Hi', answer: labelPlan(labels) })).toEqual(answer);
  },
  timeout,
);

test(
  'the context is as large as the work needs, unless its size was asked for',
  async () => {
    const gguf = writeTinyModel(inFolder('long.gguf'), 'bpe', 20_000);
    await using needing = await open(gguf, 1);
    const sizes: number[] = [];
    for (const neededTokens of [undefined, 100, 3000, 2500, 1e6])
      sizes.push((await needing.engine(undefined, neededTokens)).contextTokens);
    expect(sizes).toEqual([2048, 2048, 3072, 3072, 8192]);
    expect((await ask(needing, { user: 'word '.repeat(500), answer: labelPlan(labels) })).failure).toBeNull();
    await using asked = await localModel({ gguf, device: 'cpu', threads: 1, contextTokens: 256 });
    expect((await asked.engine(undefined, 3000)).contextTokens).toBe(256);
  },
  timeout,
);

describe('an adapter', () => {
  test(
    'changes the answers that ask for it, and no others',
    async () => {
      const adapters = ['one', 'two', 'three'].map((seed) => writeTinyAdapter(inFolder(`${seed}.gguf`), seed));
      const requests = mixedRequests(24, [null, ...adapters]);
      const mixed = await Promise.all(requests.map((request) => ask(lm, request)));
      const grouped = await Promise.all(
        [null, ...adapters].map((adapter) =>
          Promise.all(requests.map((request) => (request.adapter === adapter ? ask(lm, request) : null))),
        ),
      );
      expect(mixed).toEqual(requests.map((_, index) => grouped.map((group) => group[index]).find((found) => found)));
      const probe = { ids: [5, 6, 7, 8], positions: [3] };
      const distributions = await Promise.all(
        [null, ...adapters, null].map((adapter) => lm.logProbabilities([probe], adapter)),
      );
      const [base, one, two, three, again] = distributions.map(([distribution]) => distribution!.join());
      expect(new Set([base, one, two, three]).size).toBe(4);
      expect(again).toBe(base);
    },
    timeout,
  );

  test(
    'of another model is refused, and the host lives on',
    async () => {
      const stranger = writeTinyAdapter(inFolder('stranger.gguf'), 'stranger', 32);
      const refused = await ask(lm, { user: 'Hi', adapter: stranger }).catch((thrown) => thrown);
      expect(refused).toBeInstanceOf(InputError);
      expect(refused).toMatchObject({
        code: 'adapter-not-loaded',
        message: expect.stringMatching(/From its log:\n {2}error: .*tensor/),
      });
      expect(await ask(lm, { user: 'Hi', answer: labelPlan(['a']) })).toMatchObject({ failure: null });
    },
    timeout,
  );
});

describe('a host that cannot be opened says why:', () => {
  test.runIf(process.platform === 'linux')(
    'the device that was named is not there',
    async () => {
      await using model = await localModel({ gguf: lm.base.path, device: 'metal', threads: 1 });
      await expect(model.engine()).rejects.toMatchObject({
        code: 'device-missing',
        message: expect.stringContaining('"metal" cannot be used'),
        hint: expect.stringContaining('Apple silicon'),
      });
    },
    timeout,
  );

  const damaged = async (name: string, damage: (bytes: Buffer) => void): Promise<LocalModel> => {
    const bytes = await readFile(lm.base.path);
    damage(bytes);
    await writeFile(inFolder(name), bytes);
    return open(inFolder(name));
  };

  test(
    'a tensor is missing',
    async () => {
      await using model = await damaged('renamed.gguf', (bytes) =>
        bytes.write('output_norn', bytes.indexOf('output_norm')),
      );
      const error = await model.engine().catch((thrown) => thrown);
      expect(error).toBeInstanceOf(WorldError);
      expect(error).toMatchObject({ code: 'model-not-loaded', message: expect.stringContaining('output_norm') });
    },
    timeout,
  );

  test(
    'the weights are no numbers',
    async () => {
      await using model = await damaged('nan.gguf', (bytes) => bytes.fill(0xff, bytes.length - 256));
      await expect(model.engine()).rejects.toMatchObject({ code: 'model-not-loaded' });
    },
    timeout,
  );

  test(
    'the chat template cannot be rendered',
    async () => {
      await using model = await damaged('template.gguf', (bytes) =>
        bytes.write('{% foo', bytes.indexOf('{% for message')),
      );
      await expect(model.engine()).rejects.toMatchObject({ code: 'chat-template-broken' });
    },
    timeout,
  );
});

describe('a sentencepiece model whose template has no system role', () => {
  let other: LocalModel;
  beforeAll(async () => {
    other = await open(writeTinyModel(inFolder('sentencepiece.gguf'), 'sentencepiece'));
    await other.engine();
  }, timeout);
  afterAll(() => other.release());

  test('gets the system text in front of the first user message, and a notice says so', async () => {
    const rows = await other.encode([
      { prompt: { system: 'Sys', turns: [{ user: 'a', assistant: 'b' }], user: 'c' }, pieces: null },
      { prompt: { system: '', turns: [{ user: 'Sys\n\na', assistant: 'b' }], user: 'c' }, pieces: null },
    ]);
    expect(rows[0]).toEqual(rows[1]);
    expect(other.notices).toEqual([expect.objectContaining({ code: 'system-role-merged' })]);
  });

  test('shares the system text between prompts although it is part of the user message', async () => {
    const [short, long] = await Promise.all(
      ['Sys', 'System text of some length'].map((system) =>
        ask(other, { system, user: 'a', answer: labelPlan(labels) }),
      ),
    );
    expect(long!.usage.cachedPrompt - short!.usage.cachedPrompt).toBe(long!.usage.prompt - short!.usage.prompt);
  });

  test('has one token at the beginning, its own end of turn, and no blanks that nobody wrote', async () => {
    const pieces = ['{"', 'bill', ' the', '"}'];
    const [row] = await other.encode([{ prompt: { system: '', turns: [], user: 'a' }, pieces }]);
    expect(row!.promptIds.filter((id) => id === 1)).toEqual([1]);
    expect(row!.promptIds[0]).toBe(1);
    expect(row!.completionIds.at(-1)).toBe(2);
    const [texts] = await other.tokenTexts([row!]);
    expect(texts!.slice(row!.promptIds.length).join('')).toBe(`${pieces.join('')}</s>`);
    const answer = pieces.map((text) => ({ type: 'text', text }) as const);
    const spoken = await ask(other, { user: 'a', answer: [...answer, value] });
    expect(spoken.failure === null && spoken.pieces.slice(0, 4)).toEqual(pieces);
    expect(spoken.failure === null && spoken.pieces[4]).toMatch(/^[a-z ]{1,8}\.$/);
  });
});
