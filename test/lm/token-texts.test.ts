import { expect, test } from 'vitest';
import { textsOf } from '../../src/lm/llama/token-texts.ts';

/** A vocabulary of bytes. */
const bytes = (text: string): number[] => [...Buffer.from(text)];
const textBehind = (ids: readonly number[]): string => Buffer.from(ids).toString('utf8');

test('each token has its text, and of several that make one character the last has it', () => {
  expect(textsOf([bytes('aé🙂b')], textBehind)).toEqual(['a', '', 'é', '', '', '', '🙂', 'b']);
});

test('no character crosses the border between two sequences', () => {
  const [first, second] = bytes('é');
  expect(textsOf([[first!], [second!, 97]], textBehind)).toEqual(['\uFFFD', '', '\uFFFDa']);
});

test('bytes that never make a character are shown as such, and what follows them is not held back', () => {
  const texts = textsOf([[0xff, 0xff, 0xff, 0xff, ...bytes('ab')]], textBehind);
  expect(texts).toHaveLength(6);
  expect(texts.join('')).toBe('\uFFFD\uFFFD\uFFFD\uFFFDab');
});

test('a token is read behind those in front of it', () => {
  const spaced = (ids: readonly number[], before: readonly number[]) => `${before.length > 0 ? ' ' : ''}${ids}`;
  expect(textsOf([[1, 2], [3]], spaced)).toEqual(['1', ' 2', ' 3']);
});
