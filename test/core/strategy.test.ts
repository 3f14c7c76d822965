import fc from 'fast-check';
import { expect, test } from 'vitest';
import { InputError } from '../../src/core/errors.ts';
import { parseStrategy, strategyText } from '../../src/core/strategy.ts';

test.each(['p -> w -> p', 'p->w->p', '  p  ->w   -> p ', 'p → w → p'])('%j is three steps', (text) => {
  expect(parseStrategy(text, ['p', 'w'])).toEqual(['p', 'w', 'p']);
});

test('one key is a strategy of one step', () => {
  expect(parseStrategy('w', ['p', 'w'])).toEqual(['w']);
});

test('all mistakes are told at once, with the keys that are known', () => {
  const wrong = () => parseStrategy('p -> q ->  -> W', ['p', 'w']);
  expect(wrong).toThrow(
    new InputError(
      'strategy-unknown-key',
      [
        'Step 2 of the strategy "p -> q ->  -> W" is "q", which is not the key of an optimizer.',
        'Step 3 of the strategy "p -> q ->  -> W" has no key.',
        'Step 4 of the strategy "p -> q ->  -> W" is "W", which is not the key of an optimizer.',
      ],
      'Join these keys with "->": p, w. For example: p -> w',
    ),
  );
});

test('an empty strategy is refused', () => {
  expect(() => parseStrategy('  ', ['p'])).toThrow('The strategy is empty.');
});

test('what is written is read back', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom('p', 'w', 'gepa'), { minLength: 1 }), (keys) => {
      expect(parseStrategy(strategyText(keys), ['p', 'w', 'gepa'])).toEqual(keys);
    }),
    { seed: 1 },
  );
});
