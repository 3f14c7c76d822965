import { expect, test } from 'vitest';
import { commonPiece, extendPrefix, noPrefix, type Prefix, pieces } from '../../src/lm/llama/prefix.ts';

const system = extendPrefix(null, [1, 2]);
const demos = extendPrefix(system, [1, 2, 3, 4]);
const otherDemos = extendPrefix(system, [1, 2, 3, 5]);
const prompt = extendPrefix(demos, [1, 2, 3, 4, 9, 9]);
const lengths = (prefix: Prefix) => pieces(prefix).map(({ ids }) => ids.length);

test('a prefix is evaluated in pieces, the shortest first', () => {
  expect(lengths(prompt)).toEqual([2, 4, 6]);
  expect(lengths(system)).toEqual([2]);
  expect(lengths(noPrefix)).toEqual([]);
});

test('a prefix that adds nothing to the shorter one is that one', () => {
  expect(extendPrefix(system, [1, 2])).toBe(system);
  expect(extendPrefix(null, [])).toBe(noPrefix);
});

test('two prefixes share whole pieces only', () => {
  expect(commonPiece(prompt, demos)).toBe(demos);
  expect(commonPiece(demos, prompt)).toBe(demos);
  // Both have 1, 2, 3, but no piece ends there.
  expect(commonPiece(demos, otherDemos)).toBe(system);
  expect(commonPiece(demos, extendPrefix(null, [7]))).toBeNull();
});
