import { expect, test } from 'vitest';
import { example } from '../../src/core/example.ts';

test('equal content has an equal id, in whatever order it was written', () => {
  expect(example({ a: 1, b: 2 }, { c: 3 }).id).toBe(example({ b: 2, a: 1 }, { c: 3 }).id);
});

test('an input that stands among the labels is another example', () => {
  expect(example({ a: 1, b: 2 }, {}).id).not.toBe(example({ a: 1 }, { b: 2 }).id);
});

test('an example without labels is one with no labels', () => {
  expect(example({ a: 1 })).toEqual(example({ a: 1 }, {}));
});
