import { describe, expect, test } from 'vitest';
import { fraction, gathered, positiveNumber, readOptimizers, wholeNumber } from '../../src/cli/parse-flags.ts';
import { InputError } from '../../src/core/errors.ts';
import { bootstrapFinetune } from '../../src/optimize/bootstrap-finetune.ts';
import { labeledFewShot } from '../../src/optimize/labeled-few-shot.ts';

const defaults = { p: labeledFewShot({ k: 2 }), w: bootstrapFinetune() };

const refusal = (chosen: readonly string[], settings: readonly string[] = []) => {
  try {
    readOptimizers(defaults, chosen, settings);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    const { code, mistakes, hint } = error;
    return { code, mistakes, hint };
  }
  return null;
};

describe('readOptimizers', () => {
  test('leaves the defaults as they are', () => {
    expect(readOptimizers(defaults, [], [])).toEqual(defaults);
  });

  test('replaces the optimizer under a key', () => {
    const { p, w } = readOptimizers(defaults, ['p=bootstrapFewShot'], []);
    expect([p?.name, w?.name]).toEqual(['bootstrapFewShot', 'bootstrapFinetune']);
  });

  test('adds an optimizer under a key of its own', () => {
    const optimizers = readOptimizers(defaults, ['q = bootstrapFewShotWithRandomSearch'], []);
    expect(Object.entries(optimizers).map(([key, { name }]) => [key, name])).toEqual([
      ['p', 'labeledFewShot'],
      ['w', 'bootstrapFinetune'],
      ['q', 'bootstrapFewShotWithRandomSearch'],
    ]);
  });

  test('sets parameters on top of those that are set', () => {
    const { p } = readOptimizers(defaults, [], ['p.maxDemoTokens=300', 'p.sample=false']);
    expect(p?.parameters).toMatchObject({ k: 2, sample: false, maxDemoTokens: 300, keepStart: true });
  });

  test('sets parameters of the optimizer that was chosen', () => {
    const { p } = readOptimizers(defaults, ['p=bootstrapFewShotWithRandomSearch'], ['p.restrict=[-3,0]']);
    expect(p?.parameters.restrict).toEqual([-3, 0]);
  });

  test('takes a word that is not JSON as a word, and null as null', () => {
    const { w, p } = readOptimizers(defaults, [], ['w.schedule=linear', 'p.maxDemoTokens=null']);
    expect([w?.parameters.schedule, p?.parameters.maxDemoTokens]).toEqual(['linear', null]);
  });

  test('leaves the defaults that it was given unchanged', () => {
    readOptimizers(defaults, ['p=bootstrapFewShot'], ['p.maxRounds=3', 'w.rank=4']);
    expect([defaults.p.parameters.k, defaults.w.parameters.rank]).toEqual([2, null]);
  });

  test('refuses an optimizer that nobody knows, with those that are known', () => {
    expect(refusal(['p=gpea'])).toMatchObject({
      code: 'optimizer-unknown',
      mistakes: ['There is no optimizer "gpea".'],
    });
    expect(refusal(['p=gpea'])?.hint).toMatch(/^Known: .*labeledFewShot.*bootstrapFinetune/);
  });

  test.each(['constructor', 'toString'])('refuses the optimizer "%s", which every object has', (name) => {
    expect(refusal([`p=${name}`])?.code).toBe('optimizer-unknown');
  });

  test.each(['x', 'constructor'])('refuses parameters of the key "%s", with the keys that are known', (key) => {
    expect(refusal([], [`${key}.k=8`])).toEqual({
      code: 'set-unknown-key',
      mistakes: [`--set names "${key}", which is not the key of an optimizer.`],
      hint: 'Keys: p, w.',
    });
  });

  test('refuses parameters that the optimizer does not have, with those it has', () => {
    expect(refusal([], ['p.demos=8', 'p.size=1'])).toEqual({
      code: 'optimizer-parameter',
      mistakes: ['labeledFewShot has no parameter "demos".', 'labeledFewShot has no parameter "size".'],
      hint: 'Parameters of labeledFewShot: k, sample, maxDemoTokens, keepStart, chatFormats, labelLists, demoOrders, choiceRules.',
    });
  });

  test('refuses a value of the wrong type', () => {
    expect(refusal([], ['p.k=many'])?.mistakes).toEqual([expect.stringMatching(/^labeledFewShot\.k: .*expected/)]);
  });

  test.each(['p', 'p=', '=labeledFewShot'])('refuses --optimizer %j with an example', (text) => {
    expect(refusal([text])).toEqual({
      code: 'flag-syntax',
      mistakes: [`--optimizer "${text}" is not understood.`],
      hint: 'Write for example --optimizer p=labeledFewShot.',
    });
  });

  test.each(['p.k', 'p.k=', 'k=8', '.k=8', 'p.=8'])('refuses --set %j with an example', (text) => {
    expect(refusal([], [text])).toMatchObject({
      code: 'flag-syntax',
      hint: 'Write for example --set p.numCandidatePrograms=6.',
    });
  });
});

describe('wholeNumber', () => {
  const threads = wholeNumber('--threads', 1);

  test.each([
    ['1', 1],
    ['16', 16],
    [' 8 ', 8],
  ])('reads %j', (text, value) => {
    expect(threads(text)).toBe(value);
  });

  test.each(['0', '-1', '1.5', 'two', '', ' ', '1e400', 'NaN', '9007199254740992'])('refuses %j', (text) => {
    expect(() => threads(text)).toThrow(
      new InputError(
        'flag-type',
        [`--threads is "${text}"; it is a whole number of at least 1.`],
        'For example --threads 1.',
      ),
    );
  });

  test('may begin at 0', () => {
    expect(wholeNumber('--seed', 0)('0')).toBe(0);
  });
});

describe('fraction', () => {
  const ratio = fraction('--val-ratio');

  test.each([
    ['0', 0],
    ['0.25', 0.25],
    ['.5', 0.5],
  ])('reads %j', (text, value) => {
    expect(ratio(text)).toBe(value);
  });

  test.each(['1', '-0.1', '20%', '', 'half', 'NaN'])('refuses %j', (text) => {
    expect(() => ratio(text)).toThrow(
      new InputError(
        'flag-type',
        [`--val-ratio is "${text}"; it is a number of at least 0 and less than 1.`],
        'For example --val-ratio 0.2.',
      ),
    );
  });
});

describe('positiveNumber', () => {
  const minutes = positiveNumber('--max-minutes');

  test.each([
    ['0.5', 0.5],
    ['90', 90],
  ])('reads %j', (text, value) => {
    expect(minutes(text)).toBe(value);
  });

  test.each(['0', '-2', '', 'soon', 'NaN', 'Infinity'])('refuses %j', (text) => {
    expect(() => minutes(text)).toThrow(
      new InputError(
        'flag-type',
        [`--max-minutes is "${text}"; it is a number above 0.`],
        'For example --max-minutes 2.5.',
      ),
    );
  });
});

test('a flag that is given several times is gathered in order', () => {
  expect(['a', 'b'].reduce<readonly string[]>((before, value) => gathered(value, before), [])).toEqual(['a', 'b']);
});
