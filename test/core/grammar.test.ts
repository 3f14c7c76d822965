import { expect, test } from 'vitest';
import { z } from 'zod';
import type { JsonSchema } from '../../src/core/field.ts';
import {
  grammarBetween,
  inGrammarOrder,
  jsonExpression,
  lineExpression,
  stringBodyGrammar,
} from '../../src/core/grammar.ts';
import { grammarPattern } from '../support/gbnf.ts';

// `as`: what zod writes is plain JSON.
const schemaOf = (type: z.ZodType): JsonSchema => z.toJSONSchema(type) as unknown as JsonSchema;
const patternOf = (type: z.ZodType): RegExp => grammarPattern(grammarBetween('', jsonExpression(schemaOf(type)), ''));

/** Those of the texts that a pattern accepts. */
const accepted = (pattern: RegExp, texts: readonly string[]): string[] => texts.filter((text) => pattern.test(text));

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
  const pattern = grammarPattern(grammarBetween('', lineExpression, ''));
  expect(accepted(pattern, ['a b', ' ', '', 'a\nb'])).toEqual(['a b', ' ']);
});

test('the body of a JSON string ends at its closing quote', () => {
  const bodies = ['"', 'ab"', String.raw`\"\\\n\u00e9"`, 'é日"'];
  const others = ['a', 'a"b"', String.raw`\x"`, String.raw`\u12"`, 'a\nb"'];
  expect(accepted(grammarPattern(stringBodyGrammar()), [...bodies, ...others])).toEqual(bodies);
});

test('a number is as JSON has it, without an exponent', () => {
  const numbers = ['0', '-1', '1.50', '-0.25'];
  expect(accepted(patternOf(z.number()), [...numbers, '01', '.5', '1.', '1e5', '+1'])).toEqual(numbers);
});

test('a whole number has no fraction, and no more digits than a double holds', () => {
  const numbers = ['7', '-7', '999999999999999'];
  expect(accepted(patternOf(z.int()), [...numbers, '7.0', '1000000000000000'])).toEqual(numbers);
});

test.each<[string, z.ZodType]>([
  ['text', z.string().nullable()],
  ['described text', z.string().describe('a name').nullable()],
])('%s that may be null is text or null', (_, type) => {
  expect(accepted(patternOf(type), ['"a"', 'null', 'a', '1'])).toEqual(['"a"', 'null']);
});

test('a choice inside of JSON is one of its values', () => {
  const list = String.raw`["b", "say \"x\""]`;
  expect(accepted(patternOf(z.array(z.enum(['say "x"', 'b']))), [list, '["c"]'])).toEqual([list]);
});

test('a list has as many items as its schema allows', () => {
  const texts = ['[]', '[1]', '[1, 2]', '[1, 2, 3]', '[1, 2, 3, 4]'];
  const lists = (type: z.ZodType) => accepted(patternOf(type), texts);
  expect({
    any: lists(z.array(z.int())),
    some: lists(z.array(z.int()).min(1)),
    twoToThree: lists(z.array(z.int()).min(2).max(3)),
    atMostOne: lists(z.array(z.int()).max(1)),
    none: lists(z.array(z.int()).max(0)),
    exactlyTwo: lists(z.array(z.int()).length(2)),
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
  const ordered = '{"name": "a", "inner": {"on": true}}';
  const others = ['{"inner": {"on": true}, "name": "a"}', '{"name":"a","inner":{"on":true}}', '{"name": "a"}'];
  expect(accepted(patternOf(type), [ordered, ...others])).toEqual([ordered]);
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

test('a value is put in the order that its grammar demands, at every depth', () => {
  const point = z.object({ x: z.number(), y: z.number() });
  const type = z.object({ name: z.string(), from: point.nullable(), via: z.array(point).nullable() });
  const value = { via: [{ y: 4, x: 3 }], from: { y: 2, x: 1 }, name: 'a' };
  expect(JSON.stringify(inGrammarOrder(value, schemaOf(type)))).toBe(
    '{"name":"a","from":{"x":1,"y":2},"via":[{"x":3,"y":4}]}',
  );
});

test('a value of one of several objects is put in the order of its own', () => {
  const type = z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('a'), n: z.int() }),
    z.object({ kind: z.literal('b'), s: z.string() }),
  ]);
  expect(JSON.stringify(inGrammarOrder({ s: 'x', kind: 'b' }, schemaOf(type)))).toBe('{"kind":"b","s":"x"}');
});

test('ordering a value changes nothing else', () => {
  const type = z.object({ a: z.string().optional(), b: z.array(z.union([z.string(), z.null()])) });
  const values = [{ b: ['x', null] }, { b: [], a: 'x' }, { c: 1, b: [] }, null, 'x', [1]];
  expect(values.map((value) => inGrammarOrder(value, schemaOf(type)))).toEqual(values);
});
