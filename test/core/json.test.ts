import fc from 'fast-check';
import { expect, test } from 'vitest';
import { canonicalJson, contentId, type Json, shortId } from '../../src/core/json.ts';

const json = fc.jsonValue({ maxDepth: 3 }) as fc.Arbitrary<Json>;

test('keys are sorted at every depth', () => {
  expect(canonicalJson({ b: [{ d: 1, c: 2 }], a: null })).toBe('{"a":null,"b":[{"c":2,"d":1}]}');
});

test('the order of a list is kept', () => {
  expect(canonicalJson([2, 1])).toBe('[2,1]');
});

test('a key without a value is left out', () => {
  expect(canonicalJson({ a: undefined, b: 1 })).toBe(canonicalJson({ b: 1 }));
});

test('a key whose value is null is not left out', () => {
  expect(canonicalJson({ a: null })).not.toBe(canonicalJson({}));
});

test.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])('%s is refused', (value) => {
  expect(() => canonicalJson({ score: [value] })).toThrow(new TypeError(`${value} is not JSON`));
});

test('the text is JSON that means the same value', () => {
  fc.assert(
    fc.property(json, (value) => {
      expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
    }),
    { seed: 1 },
  );
});

test('the order in which keys were written does not matter to an id', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), json), (value) => {
      const reversed = Object.fromEntries(Object.entries(value).reverse());
      expect(contentId(reversed)).toBe(contentId(value));
    }),
    { seed: 2 },
  );
});

test('an id is the sha256 of the canonical text', () => {
  // printf '{"a":1}' | sha256sum
  expect(contentId({ a: 1 })).toBe('015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862');
});

test('a short id is the beginning of an id', () => {
  expect(shortId(contentId({ a: 1 }))).toBe('015abd7f5cc5');
});
