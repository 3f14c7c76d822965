import { expect, test } from 'vitest';
import { z } from 'zod';
import type { JsonSchema } from '../../src/core/field.ts';
import { grammarBetween, jsonExpression, lineExpression, stringBodyGrammar } from '../../src/core/grammar.ts';
import { grammarPattern } from '../support/gbnf.ts';

// `as`: what zod writes is plain JSON.
const schemaOf = (type: z.ZodType): JsonSchema => z.toJSONSchema(type) as unknown as JsonSchema;
const patternOf = (type: z.ZodType): RegExp => grammarPattern(grammarBetween('', jsonExpression(schemaOf(type)), ''));

const verdicts = (pattern: RegExp, texts: readonly string[]): { [text: string]: boolean } =>
  Object.fromEntries(texts.map((text) => [text, pattern.test(text)]));

test('a grammar is a root between two fixed texts, and the rules it needs', () => {
  expect(grammarBetween('n: ', jsonExpression({ type: 'integer' }), '\n')).toBe(
    'root ::= "n: " integer "\\n"\ninteger ::= "-"? ("0" | [1-9] [0-9]{0,14})',
  );
});

test('quotes, backslashes and control characters of a fixed text are escaped', () => {
  const [root] = grammarBetween('"a\\b"\n', lineExpression, '\r\t').split('\n');
  expect(root).toBe(String.raw`root ::= "\"a\\b\"\n" [^\n]+ "\r\t"`);
});

test('a rule that is only quoted is not a rule that is needed', () => {
  const grammar = grammarBetween('', jsonExpression({ enum: ['string', 'number'] }), '');
  expect(grammar).toBe(String.raw`root ::= ("\"string\"" | "\"number\"")`);
});

test('a rule brings the rules that it names itself', () => {
  const names = grammarBetween('', jsonExpression({ type: 'string' }), '')
    .split('\n')
    .map((line) => line.split(' ')[0]);
  expect(names).toEqual(['root', 'string', 'char']);
});

test('a line is at least one character without a line break', () => {
  expect(verdicts(grammarPattern(grammarBetween('', lineExpression, '')), ['a b', ' ', '', 'a\nb'])).toEqual({
    'a b': true,
    ' ': true,
    '': false,
    'a\nb': false,
  });
});

test('the body of a JSON string ends at its closing quote', () => {
  const texts = [
    '"',
    'ab"',
    'a',
    'a"b"',
    String.raw`\"\\\n\u00e9"`,
    String.raw`\x"`,
    String.raw`\u12"`,
    'a\nb"',
    'é日"',
  ];
  expect(verdicts(grammarPattern(stringBodyGrammar()), texts)).toEqual({
    '"': true,
    'ab"': true,
    a: false,
    'a"b"': false,
    [String.raw`\"\\\n\u00e9"`]: true,
    [String.raw`\x"`]: false,
    [String.raw`\u12"`]: false,
    'a\nb"': false,
    'é日"': true,
  });
});

test('a number is as JSON has it, without an exponent', () => {
  expect(verdicts(patternOf(z.number()), ['0', '-1', '1.50', '-0.25', '01', '.5', '1.', '1e5', '+1'])).toEqual({
    0: true,
    '-1': true,
    '1.50': true,
    '-0.25': true,
    '01': false,
    '.5': false,
    '1.': false,
    '1e5': false,
    '+1': false,
  });
});

test('a whole number has no fraction, and no more digits than a double holds', () => {
  expect(verdicts(patternOf(z.int()), ['7', '-7', '7.0', '999999999999999', '1000000000000000'])).toEqual({
    7: true,
    '-7': true,
    '7.0': false,
    '999999999999999': true,
    '1000000000000000': false,
  });
});

test.each<[string, z.ZodType]>([
  ['text', z.string().nullable()],
  ['described text', z.string().describe('a name').nullable()],
])('%s that may be null is text or null', (_, type) => {
  expect(verdicts(patternOf(type), ['"a"', 'null', 'a', '1'])).toEqual({ '"a"': true, null: true, a: false, 1: false });
});

test('a choice inside of JSON is one of its values', () => {
  expect(verdicts(patternOf(z.array(z.enum(['say "x"', 'b']))), [String.raw`["b", "say \"x\""]`, '["c"]'])).toEqual({
    [String.raw`["b", "say \"x\""]`]: true,
    '["c"]': false,
  });
});

test('a list has as many items as its schema allows', () => {
  const texts = ['[]', '[1]', '[1, 2]', '[1, 2, 3]', '[1, 2, 3, 4]'];
  const accepted = (type: z.ZodType) => texts.filter((text) => patternOf(type).test(text));
  expect({
    any: accepted(z.array(z.int())),
    some: accepted(z.array(z.int()).min(1)),
    twoToThree: accepted(z.array(z.int()).min(2).max(3)),
    atMostOne: accepted(z.array(z.int()).max(1)),
    none: accepted(z.array(z.int()).max(0)),
    exactlyTwo: accepted(z.array(z.int()).length(2)),
  }).toEqual({
    any: texts,
    some: ['[1]', '[1, 2]', '[1, 2, 3]', '[1, 2, 3, 4]'],
    twoToThree: ['[1, 2]', '[1, 2, 3]'],
    atMostOne: ['[]', '[1]'],
    none: ['[]'],
    exactlyTwo: ['[1, 2]'],
  });
});

test('an object has its members in the order of its schema, with a blank after each comma and colon', () => {
  const type = z.object({ name: z.string(), inner: z.object({ on: z.boolean() }) });
  const texts = [
    '{"name": "a", "inner": {"on": true}}',
    '{"inner": {"on": true}, "name": "a"}',
    '{"name":"a","inner":{"on":true}}',
    '{"name": "a"}',
  ];
  expect(texts.map((text) => patternOf(type).test(text))).toEqual([true, false, false, false]);
});

test('one of several objects is any of them', () => {
  const type = z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('a'), n: z.int() }),
    z.object({ kind: z.literal('b'), s: z.string() }),
  ]);
  const texts = ['{"kind": "a", "n": 1}', '{"kind": "b", "s": "x"}', '{"kind": "a", "s": "x"}'];
  expect(texts.map((text) => patternOf(type).test(text))).toEqual([true, true, false]);
});

test('equal parts of a schema are one rule', () => {
  const point = z.object({ x: z.number() });
  const { rules } = jsonExpression(schemaOf(z.object({ from: point, to: point, via: z.array(point) })));
  expect([...rules.values()].filter((body) => body.includes(String.raw`\"x\"`))).toHaveLength(1);
});

test.each<[string, JsonSchema]>([
  ['$ref', { $ref: '#/$defs/a' }],
  ['allOf', { allOf: [] }],
  ['not', { not: {} }],
  ['patternProperties', { type: 'object', patternProperties: {} }],
  ['prefixItems', { type: 'array', prefixItems: [{ type: 'string' }] }],
  ['type: "any"', {}],
  ['type: "date"', { type: 'date' }],
])('%s is refused by name', (keyword, schema) => {
  expect(() => jsonExpression(schema)).toThrow(
    new Error(`"${keyword}" cannot be decoded under a grammar; use decoding "free" or a simpler type`),
  );
});

test('what is refused is refused at any depth', () => {
  const nested = { type: 'object', properties: { a: { type: 'array', items: { allOf: [] } } } };
  expect(() => jsonExpression(nested)).toThrow('"allOf" cannot be decoded under a grammar');
});

test('an object without named properties is refused', () => {
  expect(() => jsonExpression(schemaOf(z.record(z.string(), z.number())))).toThrow(
    'an object without named properties cannot be decoded under a grammar',
  );
});
