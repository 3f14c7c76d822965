import { expect, test } from 'vitest';
import type { ValueEnd } from '../../src/core/lm.ts';
import { isComplete } from '../../src/lm/llama/value-end.ts';

test.each<[string, ValueEnd, string]>([
  ['a string body at its closing quote', { kind: 'json-string' }, String.raw`say \"no\" \\"`],
  ['an empty string body', { kind: 'json-string' }, '"'],
  ['a number at the character behind it', { kind: 'json', after: ',' }, '-12.5,'],
  ['a list at the brace behind it', { kind: 'json', after: '}' }, '[{"a": [1, 2]}, "}"]}'],
  ['an object at the second brace', { kind: 'json', after: '}' }, '{"a": {"b": "}}"}}}'],
  ['a line at its break', { kind: 'text', text: '\n' }, ' one line\n'],
])('%s is complete there and not before', (_, end, text) => {
  const complete = [...text].map((_, index) => isComplete(text.slice(0, index + 1), end));
  expect(complete).toEqual([...text].map((_, index) => index === text.length - 1));
});

test('a value that ends the turn is never complete by its text', () => {
  expect(isComplete('anything', { kind: 'turn' })).toBe(false);
});
