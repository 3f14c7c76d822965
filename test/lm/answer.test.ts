import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { AnswerPart, AnswerPlan, LmResponse, Sampling } from '../../src/core/lm.ts';
import { answer, compilePlan, pick, type Step, type Vocabulary } from '../../src/lm/llama/answer.ts';

/** A vocabulary in which each character is a token. */
const characters: Vocabulary = {
  tokenize: (text) => [...text].map((character) => character.codePointAt(0)!),
  textOf: (ids) => String.fromCodePoint(...ids),
  endsTurn: (id) => id === 0,
  endOfTurn: 0,
};

const greedy: Sampling = { temperature: 0, topP: 1, maxTokens: 100, seed: 0 };
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
    plan: compilePlan(plan, characters),
    promptIds: characters.tokenize(prompt),
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
    const evaluated = characters.textOf(next.value.tokens, []);
    passes.push(evaluated);
    cache += evaluated;
    next = steps.next(successor(next.value, wanted[cache.length - prompt.length]!));
  }
}

function successor(step: Step, wanted: number) {
  if (step.kind === 'sample') return { kind: 'sample', token: wanted } as const;
  if (step.kind === 'weigh') return { kind: 'weigh', logits: step.among.map((id) => (id === wanted ? 1 : 0)) } as const;
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
    expect(() => compilePlan(impossible, characters)).toThrow('followed by');
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
      Array.from({ length: 1200 }, (_, i) => pick(logits, { temperature, topP: 1 }, () => (i + 0.5) / 1200)).reduce(
        (counts, index) => counts.with(index, counts[index]! + 1),
        [0, 0, 0],
      );
    expect(shares(1)).toEqual([300, 600, 300]);
    // Weights 1, 4, 1.
    expect(shares(0.5)).toEqual([200, 800, 200]);
  });

  test('leaves out what lies beyond topP', () => {
    const logits = [Math.log(0.1), Math.log(0.6), Math.log(0.3)];
    expect(pick(logits, { temperature: 1, topP: 0.5 }, () => 0.999)).toBe(1);
    expect(pick(logits, { temperature: 1, topP: 0.7 }, () => 0.999)).toBe(2);
    expect(pick(logits, { temperature: 1, topP: 1 }, () => 0.999)).toBe(0);
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
