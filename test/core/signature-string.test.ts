import fc from 'fast-check';
import { expect, test } from 'vitest';
import { InputError } from '../../src/core/errors.ts';
import type { FieldKind } from '../../src/core/field.ts';
import { signature } from '../../src/core/signature.ts';

const kindsOf = (text: string): { [name: string]: FieldKind } => {
  const { inputFields, outputFields } = signature(text);
  return Object.fromEntries([...inputFields, ...outputFields].map(({ name, kind }) => [name, kind]));
};

const mistakesOf = (text: string): readonly string[] => {
  try {
    signature(text);
  } catch (error) {
    if (error instanceof InputError) return error.mistakes;
    throw error;
  }
  return [];
};

const text: FieldKind = { type: 'string', schema: { type: 'string' } };
const whole: FieldKind = { type: 'number', integer: true, schema: { type: 'integer' } };
const number: FieldKind = { type: 'number', integer: false, schema: { type: 'number' } };

test('a field without a type is text', () => {
  expect(kindsOf('ticket -> team')).toEqual({ ticket: text, team: text });
});

test.each<[string, FieldKind]>([
  ['str', text],
  ['string', text],
  ['int', { type: 'number', integer: true, schema: { type: 'integer' } }],
  ['float', number],
  ['number', number],
  ['bool', { type: 'choice', values: [true, false] }],
  ['boolean', { type: 'choice', values: [true, false] }],
  ["'yes' | 'no'", { type: 'choice', values: ['yes', 'no'] }],
  ['"yes"|"no"', { type: 'choice', values: ['yes', 'no'] }],
  ["'only'", { type: 'choice', values: ['only'] }],
])('the type %s is known', (type, kind) => {
  expect(kindsOf(`a -> b: ${type}`).b).toEqual(kind);
});

test.each([
  ['list[str]', { type: 'array', items: { type: 'string' } }],
  ['str[]', { type: 'array', items: { type: 'string' } }],
  ['list[list[float]]', { type: 'array', items: { type: 'array', items: { type: 'number' } } }],
  ['list[float][]', { type: 'array', items: { type: 'array', items: { type: 'number' } } }],
  ['list[float[]]', { type: 'array', items: { type: 'array', items: { type: 'number' } } }],
  ["list['a' | 'b']", { type: 'array', items: { type: 'string', enum: ['a', 'b'] } }],
])('the list type %s is known', (type, schema) => {
  expect(kindsOf(`a -> b: ${type}`).b).toEqual({ type: 'json', schema });
});

test('several fields stand on each side, each with a type of its own', () => {
  expect(kindsOf("ticket, age: int->team: 'billing'|'delivery',urgent: bool")).toEqual({
    ticket: text,
    age: whole,
    team: { type: 'choice', values: ['billing', 'delivery'] },
    urgent: { type: 'choice', values: [true, false] },
  });
});

test('line breaks are blanks', () => {
  expect(kindsOf("ticket,\n  age: int\n->\n  team: 'billing'\n    | 'delivery'\n")).toEqual({
    ticket: text,
    age: whole,
    team: { type: 'choice', values: ['billing', 'delivery'] },
  });
});

test('commas, arrows, pipes, brackets and the other quote may stand inside quotes', () => {
  expect(kindsOf(`a -> b: 'x, y' | "p -> q" | 'r | s' | "[t" | "it's" | '"u"', c`)).toEqual({
    a: text,
    b: { type: 'choice', values: ['x, y', 'p -> q', 'r | s', '[t', "it's", '"u"'] },
    c: text,
  });
});

test('any words are labels', () => {
  const word = fc.string({ unit: 'grapheme', minLength: 1 }).filter((text) => !text.includes("'"));
  fc.assert(
    fc.property(fc.uniqueArray(word, { minLength: 1, maxLength: 5 }), (words) => {
      const text = `a -> b: ${words.map((label) => `'${label}'`).join(' | ')}, c: int`;
      expect(kindsOf(text).b).toEqual({ type: 'choice', values: words });
    }),
    { seed: 1 },
  );
});

test('a field may have the name of something that every object has', () => {
  expect(kindsOf('constructor -> toString: int')).toEqual({
    constructor: text,
    toString: whole,
  });
});

test.each([
  ['ticket', 0],
  ['a -> b -> c', 2],
  ['', 0],
])('%j is refused: it needs exactly one arrow', (text, arrows) => {
  expect(mistakesOf(text)).toEqual([`The signature "${text}" has ${arrows} arrows; it needs exactly one "->".`]);
});

test('all mistakes are told at once', () => {
  expect(mistakesOf("a, a, 1st: int -> b: 'x' | y, c: set, a, , d: constructor")).toEqual([
    '"a" stands twice left of the arrow.',
    '"1st: int" (left of the arrow) is not a field: name or name: type.',
    `"b" has the unknown type 'x' | y; known are str, int, float, bool, list[...], T[] and 'word' | 'word'.`,
    `"c" has the unknown type set; known are str, int, float, bool, list[...], T[] and 'word' | 'word'.`,
    '"" (right of the arrow) is not a field: name or name: type.',
    `"d" has the unknown type constructor; known are str, int, float, bool, list[...], T[] and 'word' | 'word'.`,
    '"a" stands on both sides of the arrow.',
  ]);
});

test.each(['-> b', 'a ->'])('a side of %j without a field is refused', (text) => {
  expect(mistakesOf(text)).toHaveLength(1);
});

test.each(["a -> b: ''", "a -> b: 'x", "a -> b: 'x' | ''", 'a -> b: list[]', 'a -> b:', 'a -> __proto__'])(
  '%j is refused',
  (text) => {
    expect(mistakesOf(text)).toHaveLength(1);
  },
);

test('the hint shows how a signature is written', () => {
  expect(() => signature('ticket')).toThrow(
    new InputError(
      'signature-syntax',
      ['The signature "ticket" has 0 arrows; it needs exactly one "->".'],
      "Write for example: ticket, customer -> team: 'billing' | 'delivery', urgent: bool",
    ),
  );
});
