import { expect, test } from 'vitest';
import { z } from 'zod';
import { formatMistakes } from '../../src/core/chat-format.ts';
import type { JsonSchema } from '../../src/core/field.ts';
import {
  grammarBetween,
  inGrammarOrder,
  jsonExpression,
  lineExpression,
  stringBodyGrammar,
} from '../../src/core/grammar.ts';
import { signature } from '../../src/core/signature.ts';
import { type Grammar, grammarOf } from '../support/gbnf.ts';

// `as`: what zod writes is plain JSON.
const schemaOf = (type: z.ZodType): JsonSchema => z.toJSONSchema(type) as unknown as JsonSchema;
const jsonOf = (type: z.ZodType): Grammar => grammarOf(grammarBetween('', jsonExpression(schemaOf(type)), ''));
const plainLine = lineExpression({ type: 'string' }, 'line');

const escaped = (text: string): string => text.replaceAll(/[\\^$.*+?()[\]{}|/]/g, '\\$&');

/** Those of the texts that a grammar accepts. */
const accepted = (grammar: Grammar, texts: readonly string[]): string[] =>
  texts.filter((text) => grammar.accepts(text));

test('a grammar is a root between two fixed texts, and the rules it needs', () => {
  expect(grammarBetween('n: ', jsonExpression({ type: 'boolean' }), '\n')).toBe(
    'root ::= "n: " boolean "\\n"\nboolean ::= "true" | "false"',
  );
});

test('quotes, backslashes and control characters of a fixed text are escaped', () => {
  const [root] = grammarBetween('"a\\b"\n', plainLine, '\r\t').split('\n');
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
  const grammar = grammarOf(grammarBetween('', plainLine, ''));
  expect(accepted(grammar, ['a b', ' ', '', 'a\nb'])).toEqual(['a b', ' ']);
});

test('the body of a JSON string ends at its closing quote', () => {
  const bodies = ['"', 'ab"', String.raw`\"\\\n\u00e9"`, 'é日"'];
  const others = ['a', 'a"b"', String.raw`\x"`, String.raw`\u12"`, 'a\nb"'];
  expect(accepted(grammarOf(stringBodyGrammar({ type: 'string' })), [...bodies, ...others])).toEqual(bodies);
});

test('a number is as JSON has it, with an exponent only where JSON.stringify writes one', () => {
  const numbers = [
    '0',
    '-1',
    '1.50',
    '-0.25',
    '0.000001',
    '1e-7',
    '-1.5e-300',
    '1e+21',
    '5e-324',
    '1.7976931348623157e+308',
  ];
  const others = ['01', '.5', '1.', '1e5', '+1', '-0', '1e+309', '1.7976931348623158e+308', '1e-324', '1E-7', '10e-7'];
  expect(accepted(jsonOf(z.number()), [...numbers, ...others])).toEqual(numbers);
});

test('a whole number has no fraction, and is one that a double holds exactly', () => {
  const numbers = ['7', '-7', '0', '9007199254740991', '-9007199254740991'];
  expect(accepted(jsonOf(z.int()), [...numbers, '7.0', '-0', '9007199254740992', '00'])).toEqual(numbers);
});

test.each<[string, z.ZodType, readonly string[], readonly string[]]>([
  ['0 to 1', z.number().min(0).max(1), ['0', '0.0', '0.5', '1', '1.0', '1e-7'], ['1.01', '-0.1', '2', '1e+21']],
  [
    'above 0, below 1',
    z.number().gt(0).lt(1),
    ['0.1', '5e-324', '0.9999999999999999'],
    ['0', '1', '0.99999999999999999'],
  ],
  ['-1.5 to 2.25', z.number().min(-1.5).max(2.25), ['-1.5', '-1', '0', '2.2', '2.25'], ['-1.51', '2.251', '-2', '3']],
  ['whole from 18', z.int().min(18), ['18', '20', '100'], ['17', '9', '-18']],
  ['whole from -120 to 1000', z.int().min(-120).max(1000), ['-120', '-99', '0', '999', '1000'], ['-121', '1001', '-0']],
])('numbers %s are those, to the last digit', (_, type, numbers, others) => {
  expect(accepted(jsonOf(type), [...numbers, ...others])).toEqual(numbers);
});

test.each<[string, z.ZodType, readonly string[], readonly string[]]>([
  [
    'lengths',
    z.string().min(2).max(3),
    ['ab', '日日日', '😀😀', String.raw`\n\"`],
    ['a', 'abcd', String.raw`\u00e9\u00e9`],
  ],
  ['an anchored pattern', z.string().regex(/^[A-Z]{2}-\d+$/), ['AB-1', 'AB-123'], ['A-1', 'AB-', 'AB-1 ']],
  ['a pattern that is searched for', z.string().regex(/\d"/), ['1\\"', 'a1\\"b'], ['1', '\\"1']],
  [
    'a pattern and a length',
    z
      .string()
      .regex(/^[a-z]+$/)
      .max(2),
    ['a', 'ab'],
    ['', 'abc', 'A'],
  ],
  ['two patterns', z.string().startsWith('a').endsWith('b'), ['ab', 'a b'], ['a', 'b', 'ba']],
  ['a lookahead', z.string().regex(/^(?!ab)[abc]{2}$/), ['aa', 'bc'], ['ab', 'abc']],
  ['a date', z.iso.date(), ['2024-02-29', '2023-12-31'], ['2023-02-29', '2023-13-01']],
])('texts under %s are those, escaped as JSON.stringify does', (_, type, texts, others) => {
  const inQuotes = (all: readonly string[]) => all.map((text) => `"${text}"`);
  expect(accepted(jsonOf(type), inQuotes([...texts, ...others]))).toEqual(inQuotes(texts));
});

test('a pattern with the flag i takes either case, and with u a pair of halves as one character', () => {
  const under = (pattern: string, patternFlags: string) =>
    grammarOf(grammarBetween('', jsonExpression({ type: 'string', pattern, patternFlags }), ''));
  expect(accepted(under('^ab$', 'i'), ['"ab"', '"AB"', '"ac"'])).toEqual(['"ab"', '"AB"']);
  expect(accepted(under('^.$', 'u'), ['"😀"', '"a"', '"ab"'])).toEqual(['"😀"', '"a"']);
  expect(accepted(under('^.$', ''), ['"😀"', '"a"', '"ab"'])).toEqual(['"a"']);
});

test('a line with bounds has no blanks around it, and under markers does not begin as one', () => {
  const bounded = (place: 'line' | 'marked-line') =>
    grammarOf(grammarBetween('', lineExpression({ type: 'string', maxLength: 8 }, place), ''));
  const texts = ['a', 'a b', '[ab]', '[[ ## a'];
  const others = ['', ' a', 'a ', 'a\nb', 'too long a line'];
  expect(accepted(bounded('line'), [...texts, ...others])).toEqual(texts);
  expect(accepted(bounded('marked-line'), [...texts, ...others])).toEqual(['a', 'a b', '[ab]']);
});

test.each<[string, z.ZodType]>([
  ['text', z.string().nullable()],
  ['described text', z.string().describe('a name').nullable()],
])('%s that may be null is text or null', (_, type) => {
  expect(accepted(jsonOf(type), ['"a"', 'null', 'a', '1'])).toEqual(['"a"', 'null']);
});

test('a choice inside of JSON is one of its values', () => {
  const list = String.raw`["b", "say \"x\""]`;
  expect(accepted(jsonOf(z.array(z.enum(['say "x"', 'b']))), [list, '["c"]'])).toEqual([list]);
});

test('a list has as many items as its schema allows', () => {
  const texts = ['[]', '[1]', '[1, 2]', '[1, 2, 3]', '[1, 2, 3, 4]'];
  const lists = (type: z.ZodType) => accepted(jsonOf(type), texts);
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
  expect(accepted(jsonOf(type), [ordered, ...others])).toEqual([ordered]);
});

test('one of several objects is any of them', () => {
  const type = z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('a'), n: z.int() }),
    z.object({ kind: z.literal('b'), s: z.string() }),
  ]);
  const texts = ['{"kind": "a", "n": 1}', '{"kind": "b", "s": "x"}', '{"kind": "a", "s": "x"}'];
  expect(texts.map((text) => jsonOf(type).accepts(text))).toEqual([true, true, false]);
});

test('equal parts of a schema are one rule', () => {
  const point = z.object({ x: z.number() });
  const { rules } = jsonExpression(schemaOf(z.object({ from: point, to: point, via: z.array(point) })));
  expect([...rules.values()].filter((body) => body.includes(String.raw`\"x\"`))).toHaveLength(1);
});

test('members that may be left out are in order too, with commas only between', () => {
  const type = z.object({ a: z.int().optional(), b: z.int(), c: z.int().optional() });
  const texts = ['{"b": 1}', '{"a": 1, "b": 1}', '{"b": 1, "c": 1}', '{"a": 1, "b": 1, "c": 1}'];
  expect(accepted(jsonOf(type), [...texts, '{}', '{"a": 1}', '{, "b": 1}', '{"a": 1, "c": 1}'])).toEqual(texts);
  const free = z.object({ a: z.int().optional(), b: z.int().optional() });
  const all = ['{}', '{"a": 1}', '{"b": 1}', '{"a": 1, "b": 1}'];
  expect(accepted(jsonOf(free), [...all, '{"b": 1, "a": 1}'])).toEqual(all);
});

test('a tuple has its places in turn, and a record any keys or those that are named', () => {
  const tuple = z.tuple([z.int(), z.string().optional()], z.boolean());
  const tuples = ['[1]', '[1, "a"]', '[1, "a", true, false]'];
  expect(accepted(jsonOf(tuple), [...tuples, '[]', '[1, true]'])).toEqual(tuples);
  const records = ['{}', '{"x": 1}', '{"x": 1, "y\\"": 2}'];
  expect(accepted(jsonOf(z.record(z.string(), z.int())), [...records, '{"x": "a"}'])).toEqual(records);
  expect(accepted(jsonOf(z.record(z.enum(['a', 'b']), z.int())), [...records, '{"a": 1, "b": 2}'])).toEqual([
    '{"a": 1, "b": 2}',
  ]);
});

test.each<[string, z.ZodType, string]>([
  ['a recursive type', z.json(), '"$ref"'],
  ['anything', z.any().array(), '"type: "any""'],
  ['a step', z.number().multipleOf(0.5), '"multipleOf"'],
  ['other members', z.looseObject({ a: z.int() }), '"additionalProperties"'],
  ['lookbehind', z.string().regex(/(?<=a)b/), '"pattern" with lookbehind'],
  ['a backreference', z.string().regex(/(a)\1/), '"pattern" with the backreference \\1'],
  ['a word border', z.string().regex(/\ba/), '"pattern" with the word border \\b'],
  ['a Unicode property', z.string().regex(/\p{L}/u), '"pattern" with the Unicode property \\p'],
  ['a multiline pattern', z.string().regex(/^a/m), '"pattern" with the flag m'],
  ['a format without a pattern', z.url(), '"format: "uri""'],
  ['a check in code', z.string().refine((text) => text !== 'a'), '"refine"'],
  ['a change beside bounds', z.string().trim().min(1), '"overwrite"'],
  ['exactly one of several', z.xor([z.string(), z.int()]), '"xor"'],
  ['a length beyond counting', z.string().max(20_000), '"maxLength" above 10000'],
  ['too many items', z.array(z.int()).max(5000), '"maxItems" above 2000'],
  ['bounds without a text', z.string().regex(/^abc$/).max(2), '"maxLength" with "pattern" (no text meets it)'],
])('%s is refused by name, with the remedy', (_, type, name) => {
  const { outputFields } = signature({ inputs: { a: z.string() }, outputs: { b: z.array(type) } });
  expect(
    formatMistakes(
      { instructions: '', inputFields: [], outputFields },
      { chatFormat: 'json', decoding: 'constrained' },
    ),
  ).toEqual([
    expect.stringMatching(
      new RegExp(`^The output "b\\[\\].*": ${escaped(name)} cannot be decoded under a grammar; .*decoding "free"`),
    ),
  ]);
});

test('everything that is refused is told at once, with its place', () => {
  const { outputFields } = signature({
    inputs: { a: z.string() },
    outputs: { b: z.object({ n: z.number().multipleOf(2), list: z.array(z.any()) }), c: z.url() },
  });
  const told = formatMistakes(
    { instructions: '', inputFields: [], outputFields },
    { chatFormat: 'json', decoding: 'constrained' },
  );
  expect(told.map((mistake) => mistake.split(' cannot')[0])).toEqual([
    'The output "b.n": "multipleOf"',
    'The output "b.list[]": "type: "any""',
    'The output "c": "format: "uri""',
  ]);
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
