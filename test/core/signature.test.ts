import { expect, test } from 'vitest';
import { z } from 'zod';
import { InputError } from '../../src/core/errors.ts';
import type { Field } from '../../src/core/field.ts';
import { signature, signatureJson, withReasoning } from '../../src/core/signature.ts';

const fieldOf = (type: z.ZodType): Omit<Field, 'name'> => {
  const { name: _, ...field } = signature({ inputs: { a: z.string() }, outputs: { b: type } }).outputFields[0]!;
  return field;
};

test.each<[string, z.ZodType, Field['kind']]>([
  ['text', z.string(), { type: 'string', schema: { type: 'string' } }],
  ['a number', z.number(), { type: 'number', integer: false, schema: { type: 'number' } }],
  ['a whole number', z.int(), { type: 'number', integer: true, schema: { type: 'integer' } }],
  ['right or wrong', z.boolean(), { type: 'choice', values: [true, false] }],
  ['one of some words', z.enum(['x', 'y']), { type: 'choice', values: ['x', 'y'] }],
  ['one of some numbers', z.literal([1, 2.5]), { type: 'choice', values: [1, 2.5] }],
  ['a single word', z.literal('x'), { type: 'choice', values: ['x'] }],
  ['a choice that may be null', z.enum(['x', 'y']).nullable(), { type: 'choice', values: ['x', 'y', null] }],
  ['a union of choices', z.union([z.enum(['x', 'y']), z.literal(3)]), { type: 'choice', values: ['x', 'y', 3] }],
])('%s has a kind of its own', (_, type, kind) => {
  expect(fieldOf(type)).toEqual({ description: '', kind, constraints: [] });
});

test.each<[string, z.ZodType, object]>([
  ['a list', z.array(z.int()), { type: 'array', items: { type: 'integer' } }],
  [
    'an object',
    z.object({ name: z.string(), tags: z.array(z.enum(['x', 'y'])) }),
    {
      type: 'object',
      properties: {
        name: { type: 'string' },
        tags: { type: 'array', items: { type: 'string', enum: ['x', 'y'] } },
      },
      required: ['name', 'tags'],
      additionalProperties: false,
    },
  ],
  ['text that may be null', z.string().nullable(), { type: ['string', 'null'] }],
])('%s is JSON of a schema', (_, type, schema) => {
  expect(fieldOf(type)).toMatchObject({ kind: { type: 'json', schema } });
});

test.each<[string, z.ZodType, readonly number[]]>([
  ['1 to 5', z.int().min(1).max(5), [1, 2, 3, 4, 5]],
  ['-1 to 1', z.number().int().min(-1).max(1), [-1, 0, 1]],
  ['above 0 and below 4', z.int().gt(0).lt(4), [1, 2, 3]],
  ['the multiples of 5 up to 20', z.int().min(0).max(20).multipleOf(5), [0, 5, 10, 15, 20]],
  ['0.5 to 3', z.int().min(0.5).max(3), [1, 2, 3]],
])('the whole numbers %s are a choice', (_, type, values) => {
  expect(fieldOf(type).kind).toEqual({ type: 'choice', values });
});

test('32 whole numbers are a choice, 33 are not', () => {
  expect(fieldOf(z.int().min(0).max(31)).kind.type).toBe('choice');
  expect(fieldOf(z.int().min(0).max(32)).kind).toMatchObject({ type: 'number', integer: true });
});

test.each<[string, z.ZodType, readonly string[]]>([
  ['bounds', z.number().min(0).max(1), ['at least 0', 'at most 1']],
  ['open bounds', z.number().gt(0).lt(1), ['more than 0', 'less than 1']],
  ['a step', z.number().multipleOf(0.5), ['a multiple of 0.5']],
  ['lengths', z.string().min(3).max(80), ['at least 3 characters', 'at most 80 characters']],
  ['a pattern', z.string().regex(/^[A-Z]{2}$/), ['matching ^[A-Z]{2}$']],
  ['counts', z.array(z.string()).min(1).max(3), ['at least 1 items', 'at most 3 items']],
  ['one bound of a whole number', z.int().min(18), ['at least 18']],
])('%s are said in words', (_, type, constraints) => {
  expect(fieldOf(type).constraints).toEqual(constraints);
});

test('a description is kept', () => {
  expect(fieldOf(z.string().describe('the team that answers')).description).toBe('the team that answers');
});

test.each<[string, z.ZodType]>([
  ['z.string().optional()', z.string().optional()],
  ["z.string().default('x')", z.string().default('x')],
  ['z.any()', z.any()],
])('an output that may be left out, %s, is refused by name', (_, type) => {
  expect(() => signature({ inputs: { a: z.string() }, outputs: { team: type } })).toThrow(
    new InputError(
      'signature-unsupported',
      ['output "team": an output is always given; write z.nullable() for "may be empty"'],
      'Use strings, numbers, booleans, enums, arrays and objects of these; null with z.nullable().',
    ),
  );
});

test('an input may be left out', () => {
  const { inputFields } = signature({ inputs: { a: z.string().optional() }, outputs: { b: z.string() } });
  expect(inputFields).toEqual([
    { name: 'a', description: '', kind: { type: 'string', schema: { type: 'string' } }, constraints: [] },
  ]);
});

test('all outputs that cannot be JSON are told at once', () => {
  const wrong = () =>
    signature({
      inputs: { a: z.string() },
      outputs: { when: z.date(), 'two words': z.string(), size: z.bigint(), team: z.string().optional() },
    });
  expect(wrong).toThrow(
    new InputError(
      'signature-unsupported',
      [
        'output "when": Date cannot be represented in JSON Schema',
        'output "two words": a field name is letters, digits and _',
        'output "size": BigInt cannot be represented in JSON Schema',
        'output "team": an output is always given; write z.nullable() for "may be empty"',
      ],
      'Use strings, numbers, booleans, enums, arrays and objects of these; null with z.nullable().',
    ),
  );
});

test('an output of which there is no value is refused', () => {
  const wrong = () => signature({ inputs: { a: z.string() }, outputs: { b: z.int().min(5).max(4) } });
  expect(wrong).toThrow('output "b": no value is possible');
});

test('a signature without outputs is refused', () => {
  expect(() => signature({ inputs: { a: z.string() }, outputs: {} })).toThrow('There are no outputs.');
});

test('without instructions the fields are named, as DSPy does', () => {
  expect(signature('ticket, age: int -> team, urgent: bool').instructions).toBe(
    'Given the fields `ticket`, `age`, produce the fields `team`, `urgent`.',
  );
});

test('instructions that are given are kept', () => {
  expect(signature('ticket -> team', 'Route it.').instructions).toBe('Route it.');
  expect(
    signature({ instructions: 'Route it.', inputs: { a: z.string() }, outputs: { b: z.string() } }).instructions,
  ).toBe('Route it.');
});

test('a string and the shapes that it stands for are one signature', () => {
  const fromString = signature("ticket -> team: 'billing' | 'delivery', tags: list[str]", 'Route it.');
  const fromShapes = signature({
    instructions: 'Route it.',
    inputs: { ticket: z.string() },
    outputs: { team: z.enum(['billing', 'delivery']), tags: z.array(z.string()) },
  });
  expect(signatureJson(fromString)).toEqual(signatureJson(fromShapes));
});

test('reasoning is written before the other outputs', () => {
  const thinking = withReasoning(signature('question -> answer: int, sure: bool', 'Solve it.'));
  expect(signatureJson(thinking)).toEqual({
    instructions: 'Solve it.',
    inputFields: [
      { name: 'question', description: '', kind: { type: 'string', schema: { type: 'string' } }, constraints: [] },
    ],
    outputFields: [
      {
        name: 'reasoning',
        description: 'think step by step',
        kind: { type: 'string', schema: { type: 'string', description: 'think step by step' } },
        constraints: [],
      },
      {
        name: 'answer',
        description: '',
        kind: { type: 'number', integer: true, schema: { type: 'integer' } },
        constraints: [],
      },
      { name: 'sure', description: '', kind: { type: 'choice', values: [true, false] }, constraints: [] },
    ],
  });
});

test("a signature's own reasoning keeps its words", () => {
  const own = signature({
    inputs: { question: z.string() },
    outputs: { answer: z.int(), reasoning: z.string().describe('in one sentence') },
  });
  expect(withReasoning(own).outputFields.map(({ name, description }) => [name, description])).toEqual([
    ['reasoning', 'in one sentence'],
    ['answer', ''],
  ]);
});

test('adding reasoning leaves the signature as it was', () => {
  const plain = signature('question -> answer');
  withReasoning(plain);
  expect(plain.outputFields.map(({ name }) => name)).toEqual(['answer']);
});
