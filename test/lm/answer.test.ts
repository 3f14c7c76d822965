import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { AnswerPart, AnswerPlan, LmResponse, RequestChoice, Sampling } from '../../src/core/lm.ts';
import { firstAttempt } from '../../src/core/program.ts';
import { answer } from '../../src/lm/llama/answer.ts';
import { pick } from '../../src/lm/llama/choose.ts';
import { compilePlan, type Vocabulary } from '../../src/lm/llama/compiled-plan.ts';
import type { Step } from '../../src/lm/llama/steps.ts';

/** A vocabulary in which each character is a token. */
const characters: Vocabulary = {
  tokenize: (text) => [...text].map((character) => character.codePointAt(0)!),
  textOf: (ids) => String.fromCodePoint(...ids),
  beginnings: (text) => (text === '' ? [] : [{ token: text.codePointAt(0)!, length: 1 }]),
  endsTurn: (id) => id === 0,
  endOfTurn: 0,
};

const greedy: Sampling = { ...firstAttempt, maxTokens: 100 };
const text = (written: string): AnswerPart => ({ type: 'text', text: written });
const choice = (...options: string[]): AnswerPart => ({ type: 'choice', options });
const stringBody: AnswerPart = { type: 'value', grammar: 'root ::= any', end: { kind: 'json-string' } };

interface Setting {
  readonly plan: AnswerPlan;
  readonly prompt?: string;
  readonly cached?: number;
  readonly sampling?: Partial<Sampling>;
  readonly capacity?: number;
  /** The answer that the model leans to. */
  readonly leaning: string;
}

/** Decodes with a model that wants to write `leaning`, and tells what each pass evaluated. */
function decode({ plan, prompt = 'Q', cached = 0, sampling = {}, capacity = 1000, leaning }: Setting) {
  const steps = answer({
    plan: compilePlan(plan, 'greedy', characters),
    promptIds: characters.tokenize(prompt),
    sharedIds: cached,
    cachedIds: cached,
    sampling: { ...greedy, ...sampling },
    capacity,
    vocabulary: characters,
  });
  const wanted = [...characters.tokenize(leaning), 0];
  const passes: string[] = [];
  let cache = prompt.slice(0, cached);
  for (let next = steps.next(); ; ) {
    if (next.done) return { response: next.value, passes };
    const { keep, tokens } = next.value;
    expect(keep).toBe(cache.length);
    const evaluated = characters.textOf(tokens, []);
    passes.push(evaluated);
    cache += evaluated;
    next = steps.next(successor(next.value, wanted[cache.length - prompt.length]!));
  }
}

function successor(step: Step, wanted: number) {
  if (step.kind === 'sample') return { kind: 'sample', token: wanted, isOverruled: false } as const;
  if (step.kind === 'weigh')
    return {
      kind: 'weigh',
      logits: step.among.map((id) => (id === wanted ? 1 : 0)),
      top: wanted,
      logWeight: 0,
    } as const;
  throw new TypeError('Answers measure nothing');
}

const piecesOf = (response: LmResponse): readonly string[] | string =>
  response.failure === null ? response.pieces : response.failure.message;

describe('an answer', () => {
  const plan = [text('{"team": "'), choice('billing', 'delivery'), text('"}')];

  test('of one label costs one pass: the own prompt and all that is forced before the fork', () => {
    const { response, passes } = decode({ plan, prompt: 'shared own', cached: 7, leaning: '{"team": "delivery"}' });
    expect(passes).toEqual(['own{"team": "']);
    expect(response).toEqual({
      failure: null,
      pieces: ['{"team": "', 'delivery', '"}'],
      choices: [null, { confidence: expect.closeTo(Math.E / (Math.E + 1)), probabilities: null }, null],
      constraint: { forks: 1, overruled: 0 },
      completionIds: [...characters.tokenize('{"team": "delivery"}'), 0],
      usage: { prompt: 10, cachedPrompt: 7, completion: 21 },
    });
  });

  test('evaluates between two forks what they have in common, together', () => {
    const twoForks = [choice('card lost', 'card late', 'cash'), text('.')];
    const { response, passes } = decode({ plan: twoForks, leaning: 'card late.' });
    expect(passes).toEqual(['Qca', 'rd l']);
    expect(piecesOf(response)).toEqual(['card late', '.']);
  });

  test('tells an option from a longer one by the token that follows', () => {
    const nested = [choice('pay', 'pay bill'), text('"'), text('}')];
    expect(piecesOf(decode({ plan: nested, leaning: 'pay"}' }).response)).toEqual(['pay', '"', '}']);
    expect(piecesOf(decode({ plan: nested, leaning: 'pay bill"}' }).response)).toEqual(['pay bill', '"', '}']);
    expect(piecesOf(decode({ plan: [choice('a', 'ab')], leaning: 'a' }).response)).toEqual(['a']);
  });

  test('of a single option costs no pass', () => {
    expect(decode({ plan: [choice('only')], leaning: '?' })).toMatchObject({
      passes: [],
      response: { pieces: ['only'] },
    });
  });

  test('ends a value exactly where its end condition holds, and goes on with the next part', () => {
    const reasoned = [text('{"why": "'), stringBody, text(', "team": "'), choice('billing', 'delivery'), text('"}')];
    const leaning = '{"why": "a \\" b", "team": "billing"}';
    const { response, passes } = decode({ plan: reasoned, leaning });
    expect(piecesOf(response)).toEqual(['{"why": "', 'a \\" b"', ', "team": "', 'billing', '"}']);
    expect(passes.join('')).toBe('Q{"why": "a \\" b", "team": "');
  });

  test('without a plan is the text up to the end of the turn', () => {
    const { response } = decode({ plan: null, leaning: 'Paris' });
    expect(response).toMatchObject({ failure: null, pieces: ['Paris'], completionIds: [80, 97, 114, 105, 115, 0] });
  });

  test('never has more tokens than maxTokens, forced ones and the end of turn included', () => {
    expect(decode({ plan, sampling: { maxTokens: 20 }, leaning: '{"team": "billing"}' }).response).toMatchObject({
      failure: null,
      usage: { completion: 20 },
    });
    expect(decode({ plan, sampling: { maxTokens: 19 }, leaning: '{"team": "billing"}' }).response).toMatchObject({
      failure: { kind: 'length', message: expect.stringContaining('more than 19 tokens') },
    });
    expect(decode({ plan: null, sampling: { maxTokens: 3 }, leaning: 'a long story' }).response).toMatchObject({
      failure: { kind: 'length' },
      usage: { completion: 3 },
    });
  });

  test('to a prompt that does not fit fails without a pass, with the numbers', () => {
    const { response, passes } = decode({ plan, prompt: 'q'.repeat(11), capacity: 10, leaning: '' });
    expect(passes).toEqual([]);
    expect(piecesOf(response)).toMatch(/^The prompt has 11 tokens and a context of this host holds 10\. Use fewer/);
  });

  test('that fills the context fails as too long', () => {
    const { response } = decode({ plan: null, prompt: 'q'.repeat(8), capacity: 10, leaning: 'abcdef' });
    expect(piecesOf(response)).toMatch(/^The context is full: 8 prompt tokens and 3 of the answer, and it holds 10/);
  });

  test('cannot go on after the end of the turn', () => {
    const impossible: AnswerPlan = [{ type: 'value', grammar: '', end: { kind: 'turn' } }, text('more')];
    expect(() => compilePlan(impossible, 'greedy', characters)).toThrow('followed by');
  });
});

test('decoding any option of any closed set gives the tokens of its training row', () => {
  const option = fc.string({ unit: fc.constantFrom('a', 'b', ' '), minLength: 1, maxLength: 5 });
  const options = fc.uniqueArray(option, { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(options, fc.nat(), fc.boolean(), (all, index, isLast) => {
      const pieces = ['{"', all[index % all.length]!, ...(isLast ? [] : ['"}'])];
      const plan = [text('{"'), choice(...all), ...(isLast ? [] : [text('"}')])];
      const { response } = decode({ plan, leaning: pieces.join('') });
      expect(response).toMatchObject({ pieces, completionIds: [...pieces.flatMap(characters.tokenize), 0] });
    }),
    { seed: 1 },
  );
});

describe('a choice', () => {
  test('at temperature 0 is the most probable, of equals the first', () => {
    const never = () => expect.fail('drew');
    expect(pick([1, 3, 2], greedy, never)).toBe(1);
    expect(pick([2, 5, 5], greedy, never)).toBe(1);
  });

  test('above it follows the softmax of logits over temperature', () => {
    const logits = [Math.log(1), Math.log(2), Math.log(1)];
    const shares = (temperature: number) =>
      Array.from({ length: 1200 }, (_, i) =>
        pick(logits, { ...greedy, temperature, topP: 1 }, () => (i + 0.5) / 1200),
      ).reduce((counts, index) => counts.with(index, counts[index]! + 1), [0, 0, 0]);
    expect(shares(1)).toEqual([300, 600, 300]);
    // Weights 1, 4, 1.
    expect(shares(0.5)).toEqual([200, 800, 200]);
  });

  test('leaves out what lies beyond topP', () => {
    const logits = [Math.log(0.1), Math.log(0.6), Math.log(0.3)];
    expect(pick(logits, { ...greedy, temperature: 1, topP: 0.5 }, () => 0.999)).toBe(1);
    expect(pick(logits, { ...greedy, temperature: 1, topP: 0.7 }, () => 0.999)).toBe(2);
    expect(pick(logits, { ...greedy, temperature: 1, topP: 1 }, () => 0.999)).toBe(0);
  });

  test('leaves out what top-k and min-p leave out', () => {
    const logits = [Math.log(0.1), Math.log(0.6), Math.log(0.3)];
    expect(pick(logits, { ...greedy, temperature: 1, topK: 1 }, () => 0.999)).toBe(1);
    expect(pick(logits, { ...greedy, temperature: 1, topK: 2 }, () => 0.999)).toBe(2);
    expect(pick(logits, { ...greedy, temperature: 1, minP: 0.4 }, () => 0.999)).toBe(2);
    expect(pick(logits, { ...greedy, temperature: 1, minP: 0.9 }, () => 0.999)).toBe(1);
  });

  test('above temperature 0 repeats with its seed and varies over seeds', () => {
    const plan = [choice('a', 'b', 'c', 'd')];
    const drawn = (seed: number) =>
      piecesOf(decode({ plan, leaning: '?', sampling: { temperature: 1, seed } }).response)[0];
    const seeds = Array.from({ length: 40 }, (_, seed) => seed);
    expect(seeds.map(drawn)).toEqual(seeds.map(drawn));
    expect(new Set(seeds.map(drawn))).toEqual(new Set(['a', 'b', 'c', 'd']));
  });
});

/** Takes an option of a closed set from a model that gives every text's next character these probabilities. */
function choosing(options: readonly string[], rule: RequestChoice, next: (text: string) => Record<string, number>) {
  const steps = answer({
    plan: compilePlan([text('"'), choice(...options), text('"')], rule, characters),
    promptIds: characters.tokenize('Q'),
    sharedIds: 0,
    cachedIds: 0,
    sampling: greedy,
    capacity: 100,
    vocabulary: characters,
  });
  const passes: string[] = [];
  let cache = '';
  for (let step = steps.next(); ; ) {
    if (step.done) return { response: step.value, passes };
    if (step.value.kind !== 'weigh') throw new TypeError('A choice only weighs');
    const { keep, tokens, among } = step.value;
    cache = cache.slice(0, keep) + characters.textOf(tokens, []);
    passes.push(cache);
    const chances = next(cache.slice(2));
    const [top = '?'] = Object.entries(chances).reduce((best, entry) => (entry[1] > best[1] ? entry : best));
    const logits = among.map((id) => Math.log(chances[String.fromCodePoint(id)] ?? 1e-9) + 7);
    step = steps.next({ kind: 'weigh', logits, top: top.codePointAt(0)!, logWeight: 7 });
  }
}

/** A vocabulary of whole words and of single characters: a label may be cut in more than one way. */
const words = ['refund', 'late', 'ref', 'account', ' closure', 'x'];
const cutInWays: Vocabulary = {
  tokenize(text) {
    const word = words.find((one) => text.startsWith(one));
    if (text === '') return [];
    const [token, length] = word ? [1000 + words.indexOf(word), word.length] : [text.codePointAt(0)!, 1];
    return [token, ...cutInWays.tokenize(text.slice(length))];
  },
  textOf: (ids) => ids.map((id) => words[id - 1000] ?? String.fromCodePoint(id)).join(''),
  beginnings: (text) => [
    ...words.flatMap((word, index) => (text.startsWith(word) ? [{ token: 1000 + index, length: word.length }] : [])),
    ...(text === '' ? [] : [{ token: text.codePointAt(0)!, length: 1 }]),
  ],
  endsTurn: (id) => id === 0,
  endOfTurn: 0,
};

/** Chooses among the options with these chances of the next token, by its text, behind what the answer has. */
function choosingByWord(options: readonly string[], chances: (written: string) => Record<string, number>) {
  const steps = answer({
    plan: compilePlan([{ type: 'choice', options }, text('"')], 'greedy', cutInWays),
    promptIds: [1],
    sharedIds: 0,
    cachedIds: 0,
    sampling: greedy,
    capacity: 100,
    vocabulary: cutInWays,
  });
  let cache: number[] = [];
  let passes = 0;
  for (let step = steps.next(); ; passes++) {
    if (step.done) return { response: step.value, passes };
    if (step.value.kind !== 'weigh') throw new TypeError('A choice only weighs');
    cache = [...cache.slice(0, step.value.keep), ...step.value.tokens];
    const next = chances(cutInWays.textOf(cache.slice(1), []));
    const logits = step.value.among.map((id) => Math.log(next[cutInWays.textOf([id], [])] ?? 1e-9));
    step = steps.next({ kind: 'weigh', logits, top: -1, logWeight: 0 });
  }
}

describe('a greedy choice', () => {
  test('takes the label that a token begins which is none of its own, and writes it in its own', () => {
    // "l" is the likeliest token: a grammar would let it stand, and only "late" is left.
    const { response, passes } = choosingByWord(['refund', 'late'], () => ({
      refund: 0.3,
      l: 0.4,
      late: 0.2,
      ref: 0.1,
    }));
    expect(response).toMatchObject({ failure: null, pieces: ['late', '"'] });
    expect(response).toMatchObject({ completionIds: [...cutInWays.tokenize('late'), 34, 0] });
    expect(passes).toBe(1);
  });

  test('is as sure as all beginnings of the label are together', () => {
    const { response } = choosingByWord(['refund', 'late'], () => ({ refund: 0.3, l: 0.4, late: 0.2, ref: 0.1 }));
    const [chosen] = (response as { choices: readonly { confidence: number }[] }).choices;
    expect(chosen?.confidence).toBeCloseTo(0.6, 6);
  });

  test('goes on behind the token that was taken where it leaves several labels', () => {
    const chances = (written: string) => (written === '' ? { r: 0.6, refund: 0.4 } : { e: 0.9 });
    const { response, passes } = choosingByWord(['refund', 'rob'], chances);
    expect(response).toMatchObject({ pieces: ['refund', '"'] });
    expect(passes).toBe(2);
  });

  test('spends no pass on what all labels begin with', () => {
    const { response, passes } = choosingByWord(['account', 'account closure'], (written) =>
      written === 'account' ? { ' closure': 0.9, '"': 0.1 } : {},
    );
    expect(response).toMatchObject({ pieces: ['account closure', '"'] });
    expect(passes).toBe(1);
  });
});

describe('a whole label', () => {
  // "ab" begins with the likelier character; "cd" and "ce" are likelier as a whole: .6 * .2, .4 * .75, .4 * .25.
  const options = ['ab', 'cd', 'ce'];
  const chances = (text: string): Record<string, number> =>
    ({ '': { a: 0.6, c: 0.4 }, a: { b: 0.2, z: 0.8 }, c: { d: 0.75, e: 0.25 } })[text] ?? { '"': 1 };

  test('is what most-probable takes, where greedy follows the first character', () => {
    const greedily = choosing(options, 'greedy', chances);
    const wholly = choosing(options, 'most-probable', chances);
    expect([greedily, wholly].map(({ response }) => piecesOf(response)[1])).toEqual(['ab', 'cd']);
    expect(greedily.passes).toEqual(['Q"']);
    expect(wholly.response).toMatchObject({
      choices: [
        null,
        {
          confidence: expect.closeTo(0.3 / 0.52),
          probabilities: [0.12, 0.3, 0.1].map((chance) => expect.closeTo(chance / 0.52)),
        },
        null,
      ],
      constraint: { forks: 2, overruled: 0 },
    });
  });

  test('is weighed with one pass for each beginning, each behind what it shares with the one before', () => {
    expect(choosing(options, 'most-probable', chances).passes).toEqual(['Q"', 'Q"a', 'Q"ab', 'Q"c', 'Q"cd', 'Q"ce']);
  });

  test('loses what its prior says of it when calibrated', () => {
    const logPriors = [null, [0.2, 0.7, 0.1].map(Math.log), null];
    const { response } = choosing(options, { logPriors }, chances);
    // .12 / .2, .3 / .7, .1 / .1
    expect(piecesOf(response)[1]).toBe('ce');
    expect(response).toMatchObject({
      choices: [null, { confidence: expect.closeTo(1 / (0.6 + 0.3 / 0.7 + 1)) }, null],
    });
  });

  test('with priors that are all alike is the most probable one', () => {
    const logPriors = [null, [1 / 3, 1 / 3, 1 / 3].map(Math.log), null];
    expect(choosing(options, { logPriors }, chances).response).toMatchObject(
      choosing(options, 'most-probable', chances).response,
    );
  });

  test('needs a prior for each of its options', () => {
    expect(() => choosing(options, { logPriors: [null, [0], null] }, chances)).toThrow('1 priors for 3 options');
    expect(() => choosing(options, { logPriors: [] }, chances)).toThrow('no priors for part 1');
  });

  test('that the model did not want is counted as overruled', () => {
    const unwilling = (written: string) => (written === '' ? { a: 0.1, c: 0.2, '!': 0.7 } : chances(written));
    expect(choosing(options, 'greedy', unwilling).response).toMatchObject({ constraint: { forks: 2, overruled: 1 } });
  });
});
