import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Fields, Json } from '../../src/core/json.ts';
import type { Metric, MetricResult } from '../../src/core/metric.ts';
import { builtInMetrics, contains, exactMatch, f1, numericMatch } from '../../src/evaluate/metrics.ts';

const judge = (metric: Metric, labels: Fields, prediction: Fields): MetricResult | Promise<MetricResult> =>
  metric({ inputs: {}, labels }, prediction, []);

const onOne = (metric: Metric, label: Json, predicted: Json) => judge(metric, { a: label }, { a: predicted });

describe('exactMatch', () => {
  test.each<[string, Json, Json]>([
    ['blanks around', 'billing', '  billing\n'],
    ['case', 'Billing', 'bILLING'],
    ['the width of letters', 'A1', 'Ａ１'],
    ['how an accent is composed', 'caf\u00e9', 'cafe\u0301'],
    ['whether a number is written as text', 12, '12'],
    ['whether right or wrong is written as text', true, 'True'],
  ])('does not mind %s', (_, label, predicted) => {
    expect(onOne(exactMatch(), label, predicted)).toEqual({ score: 1 });
  });

  test.each<[string, Json, Json]>([
    ['punctuation', 'billing', 'billing.'],
    ['blanks within', 'two words', 'two  words'],
    ['an accent', 'café', 'cafe'],
  ])('minds %s', (_, label, predicted) => {
    expect(onOne(exactMatch(), label, predicted)).toEqual({
      score: 0,
      feedback: `a should be ${JSON.stringify(label)}.`,
    });
  });

  test('wants every labelled output, and says which ones are wrong', () => {
    const labels = { team: 'billing', urgent: true, hours: 2 };
    expect(judge(exactMatch(), labels, { team: 'delivery', urgent: true, hours: 3 })).toEqual({
      score: 0,
      feedback: 'team should be "billing". hours should be 2.',
    });
  });

  test('does not mind an output without a label', () => {
    expect(judge(exactMatch(), { team: 'billing' }, { reasoning: 'money', team: 'billing' })).toEqual({ score: 1 });
  });

  test('of one field looks at no other', () => {
    const labels = { team: 'billing', urgent: true };
    expect(judge(exactMatch('team'), labels, { team: 'billing', urgent: false })).toEqual({ score: 1 });
    expect(judge(exactMatch('urgent'), labels, { team: 'billing', urgent: false })).toMatchObject({ score: 0 });
  });

  test('compares lists and objects by their content', () => {
    expect(onOne(exactMatch(), ['a', { b: 1 }], ['A', { b: 1 }])).toEqual({ score: 1 });
    expect(onOne(exactMatch(), ['a', 'b'], ['b', 'a'])).toMatchObject({ score: 0 });
  });

  test('of two objects does not mind the order of their keys', () => {
    expect(onOne(exactMatch(), { a: 1, b: 2 }, { b: 2, a: 1 })).toEqual({ score: 1 });
  });
});

describe('contains', () => {
  test('finds the label within the output, after folding', () => {
    expect(onOne(contains(), 'Paris', 'It is PARIS, of course.')).toBe(true);
  });

  test('does not find the output within the label', () => {
    expect(onOne(contains(), 'It is Paris.', 'Paris')).toBe(false);
  });

  test('wants every labelled output, or the named one', () => {
    const labels = { city: 'Paris', country: 'France' };
    const prediction = { city: 'in Paris', country: 'in Spain' };
    expect([judge(contains(), labels, prediction), judge(contains('city'), labels, prediction)]).toEqual([false, true]);
  });
});

describe('f1', () => {
  test.each<[string, Json, Json, number]>([
    ['equal words', 'blue car', 'blue car', 1],
    ['words in another order', 'blue car', 'car blue', 1],
    ['case, articles and punctuation', 'a blue car', 'The Blue car!', 1],
    // Precision 2/3, recall 2/2.
    ['one word too many', 'blue car', 'blue fast car', 0.8],
    // Precision 1/1, recall 1/2.
    ['one word too few', 'blue car', 'car', 2 / 3],
    ['a word that is said twice and labelled once', 'blue', 'blue blue', 2 / 3],
    ['no word in common', 'blue car', 'red bike', 0],
    ['an apostrophe and a full stop, which SQuAD takes out', "it's U.S. made", 'its us made', 1],
    ['an output without words', 'blue', '', 0],
    ['a label and an output without words', 'the', '...', 1],
    ['words of a script with marks', 'हिन्दी भाषा', 'हिन्दी', 2 / 3],
  ])('of %s', (_, label, predicted, expected) => {
    expect(onOne(f1(), label, predicted)).toBeCloseTo(expected, 12);
  });

  test('is the mean over the labelled outputs, or that of the named one', () => {
    const labels = { a: 'blue', b: 'car' };
    const prediction = { a: 'blue', b: 'bike' };
    expect([judge(f1(), labels, prediction), judge(f1('a'), labels, prediction)]).toEqual([0.5, 1]);
  });
});

describe('numericMatch', () => {
  test.each<[string, Json, Json, boolean]>([
    ['a number in a sentence', 42, 'The answer is 42.', true],
    ['the last of several numbers', 42, '6 times 7 is 42', true],
    ['only the last of them', 6, '6 times 7 is 42', false],
    ['a number with commas between thousands', 1234567, '$1,234,567', true],
    ['a fraction', 0.5, '0.50', true],
    ['a fraction without a zero', 0.5, 'about .5', true],
    ['a negative number', -3, '-3 degrees', true],
    ['the sign', -3, '3', false],
    ['an exponent', 1500, '1.5e3', true],
    ['a rounding error of doubles', 0.3, 0.1 + 0.2, true],
    ['a real difference', 0.3, 0.3001, false],
    ['a label that is text', 'so #### 18', 'She has 18 apples', true],
    ['no number in the output', 42, 'many', false],
    ['no number in the label', 'many', '42', false],
  ])('with %s', (_, label, predicted, isRight) => {
    expect(onOne(numericMatch(), label, predicted)).toBe(isRight);
  });

  test('wants every labelled output, or the named one', () => {
    const labels = { a: 1, b: 2 };
    const prediction = { a: 1, b: 3 };
    expect([judge(numericMatch(), labels, prediction), judge(numericMatch('a'), labels, prediction)]).toEqual([
      false,
      true,
    ]);
  });
});

describe.each(Object.entries(builtInMetrics))('%s', (name, make) => {
  test('is right when the output is the label', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.integer(), { minKeys: 1 }), (labels) => {
        expect(Number(resultOf(judge(make(), labels, labels)))).toBe(1);
      }),
      { seed: 1 },
    );
  });

  test('refuses an example that has nothing to compare', () => {
    expect(() => judge(make(), {}, { a: 'x' })).toThrow(`${name} compares with labels, and this example has none.`);
  });

  test('refuses an example without the label of its field', () => {
    expect(() => judge(make('team'), { a: 'x' }, { a: 'x', team: 'y' })).toThrow(
      `${name} compares with the label "team", and this example has none.`,
    );
  });

  test('is known by its name and its field', () => {
    expect([make().name, make('team').name]).toEqual([name, `${name}(team)`]);
  });
});

const resultOf = (result: MetricResult | Promise<MetricResult>): number | boolean =>
  typeof result === 'object' && 'score' in result ? result.score : (result as number | boolean);
