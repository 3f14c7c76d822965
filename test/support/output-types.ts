import fc from 'fast-check';
import { z } from 'zod';
import type { Json } from '../../src/core/json.ts';

/** An output type and its values. */
export interface OutputType {
  readonly type: z.ZodType;
  readonly values: fc.Arbitrary<Json>;
}

// What likes to break parsers, among ordinary text. Lengths count characters (code points).
const char = fc.oneof(
  fc.constantFrom(...' "\'\\{}[]:,#\n\r\t\b\u0001\u007f\u2028\u00a0aé日😀'),
  fc.integer({ min: 0x20, max: 0x10f7ff }).map((code) => String.fromCodePoint(code < 0xd800 ? code : code + 0x800)),
);
export const text = fc.oneof(fc.string({ unit: char }), fc.string({ unit: 'grapheme' }));
/** Text as it stands bare in an answer: one line, without blanks around it. */
export const line = text.map(asLine).filter((trimmed) => trimmed !== '');

function asLine(raw: string): string {
  return raw.replaceAll(/\s*\n\s*/g, ' ').trim();
}

/** JSON has no negative zero that a text would keep. */
const plain = (number: number): number => number || 0;
const ordered = (a: number, b: number): [number, number] => (a < b ? [a, b] : [b, a]);

const constant = (type: z.ZodType, values: fc.Arbitrary<Json>): fc.Arbitrary<OutputType> =>
  fc.constant({ type, values });

const patterns: readonly RegExp[] = [
  /^[A-Z]{2,3}-\d{1,4}$/,
  /^(yes|no|[a-f]+)( \w{1,3})*$/,
  /^"[^"\\]*"$/,
  /\d/,
  /^\S+@\S+$/,
  /^(?!no)(?=.*z$)[a-z]{2,6}$/,
  /^(a*)*b?c?$/,
  /^[^a-z]{2,}$/,
  /^colou?r$/i,
  /^[😀-😂]{1,3}$/u,
  /^é.x$/s,
];
/** Texts to be found under the patterns: fast-check writes those of patterns that have no lookahead and no flag i. */
function matching({ source, flags }: RegExp): fc.Arbitrary<string> {
  if (source.includes('(?')) return fc.constantFrom('aaz', 'xyz', 'zzzzzz', 'nazz', 'abz');
  return flags === 'i' ? fc.constantFrom('color', 'Colour', 'COLOR') : fc.stringMatching(new RegExp(source, flags));
}

function texts(bare: boolean): fc.Arbitrary<OutputType> {
  const written = (type: z.ZodType, values: fc.Arbitrary<string>): OutputType => ({
    type,
    values: values
      .map((value) => (bare ? asLine(value) : value))
      .filter((value) => (!bare || value !== '') && type.safeParse(value).success),
  });
  const bounded = fc.tuple(fc.nat(4), fc.nat(8)).map(([least, more]) => {
    const [minLength, maxLength] = [bare ? Math.max(least, 1) : least, Math.max(least + more, 1)];
    return written(z.string().min(minLength).max(maxLength), fc.string({ unit: char, minLength, maxLength }));
  });
  return fc.oneof(
    constant(z.string(), bare ? line : text),
    bounded,
    fc.constantFrom(...patterns).map((pattern) => written(z.string().regex(pattern), matching(pattern))),
    fc.constant(
      written(
        z
          .string()
          .regex(/^[a-z "]+$/)
          .min(2)
          .max(5),
        fc.stringMatching(/^[a-z "]{2,5}$/),
      ),
    ),
    fc.constant(
      written(
        z.iso.date(),
        fc
          .date({ noInvalidDate: true, min: new Date(0), max: new Date(4e12) })
          .map((day) => day.toISOString().slice(0, 10)),
      ),
    ),
    fc.constant(written(z.email(), fc.stringMatching(/^[a-z]{1,4}(\.[a-z]+)?@[a-z]{1,3}\.[a-z]{2}$/))),
    fc.constant(written(z.uuid(), fc.uuid())),
    fc.constant(
      written(z.string().startsWith('a.').endsWith('"z"').includes('x'), fc.stringMatching(/^a\.[a-y ]*x[a-y]*"z"$/)),
    ),
  );
}

const double = fc.double({ noNaN: true, noDefaultInfinity: true }).map(plain);
const price = fc.integer({ min: -99_999, max: 99_999 }).map((cents) => plain(cents / 100));

const numbers: fc.Arbitrary<OutputType> = fc.oneof(
  constant(z.int(), fc.maxSafeInteger()),
  constant(z.number(), fc.oneof(double, price)),
  constant(z.int().min(-2).max(2), fc.integer({ min: -2, max: 2 })),
  fc.tuple(fc.maxSafeInteger(), fc.oneof(fc.maxSafeInteger(), fc.integer())).map(([a, b]) => {
    const [min, max] = ordered(a, b);
    return { type: z.int().min(min).max(max), values: fc.maxSafeInteger().map((n) => Math.min(Math.max(n, min), max)) };
  }),
  fc.tuple(fc.oneof(price, double), fc.oneof(price, double)).map(([a, b]) => {
    const [min, max] = ordered(a, b);
    return { type: z.number().min(min).max(max), values: fc.double({ min, max, noNaN: true }).map(plain) };
  }),
  constant(z.number().gt(0).lt(1), fc.double({ min: 0, max: 1, minExcluded: true, maxExcluded: true, noNaN: true })),
  constant(z.number().positive(), fc.double({ min: Number.MIN_VALUE, noNaN: true, noDefaultInfinity: true })),
  constant(z.int().positive(), fc.integer({ min: 1 })),
);

const choices: fc.Arbitrary<OutputType> = fc.oneof(
  constant(z.boolean(), fc.boolean()),
  fc
    .uniqueArray(fc.oneof(fc.constantFrom('billing', 'two words', ' padded ', 'it\'s "quoted"'), line), {
      minLength: 1,
      maxLength: 4,
      selector: (word) => word.trim(),
    })
    .map((words) => ({ type: z.enum(words), values: fc.constantFrom(...words) })),
  constant(z.literal([1, 'one', null]), fc.constantFrom(1, 'one', null)),
  constant(z.enum(['x', 'y']).nullable(), fc.constantFrom('x', 'y', null)),
);

/** Types that nest so deep, with their values. `bare`: texts stand without quotes, on one line. */
export function outputTypes(depth: number, bare = false): fc.Arbitrary<OutputType> {
  const leaf = fc.oneof(texts(bare), numbers, choices);
  if (depth === 0) return leaf;
  const inner = outputTypes(depth - 1);
  return fc.oneof(
    { weight: 3, arbitrary: leaf },
    lists(inner),
    objects(inner),
    unions(inner),
    tuples(inner),
    records(inner),
    inner.map(nullable),
  );
}

const nullable = ({ type, values }: OutputType): OutputType => ({ type: type.nullable(), values: fc.option(values) });

const lists = (inner: fc.Arbitrary<OutputType>): fc.Arbitrary<OutputType> =>
  fc.tuple(inner, fc.nat(2), fc.option(fc.nat(2))).map(([{ type, values }, minLength, more]) => {
    const list = z.array(type).min(minLength);
    if (more === null) return { type: list, values: fc.array(values, { minLength, maxLength: minLength + 3 }) };
    return { type: list.max(minLength + more), values: fc.array(values, { minLength, maxLength: minLength + more }) };
  });

const memberName = fc.oneof(
  fc.constantFrom('name', 'a b', '"', '\\', 'é', 'toString', '1'),
  fc.stringMatching(/^[a-z]{1,4}$/),
);

const objects = (inner: fc.Arbitrary<OutputType>): fc.Arbitrary<OutputType> =>
  fc
    .uniqueArray(fc.record({ name: memberName, isOptional: fc.boolean(), inner }), {
      maxLength: 4,
      selector: ({ name }) => name,
    })
    .map((members) => {
      const shape = members.map(({ name, isOptional, inner: { type } }): [string, z.ZodType] => [
        name,
        isOptional && !(name in Object.prototype) ? type.optional() : type,
      ]);
      const values = Object.fromEntries(members.map(({ name, inner }) => [name, inner.values]));
      const requiredKeys = members
        .filter(({ isOptional, name }) => !isOptional || name in Object.prototype)
        .map(({ name }) => name);
      return {
        type: z.object(Object.fromEntries(shape)),
        // Against the schema's order: an answer is written in the schema's.
        values: fc
          .record(values, { requiredKeys, noNullPrototype: true })
          .map((value): Json => Object.fromEntries(Object.entries(value).reverse())),
      };
    });

const unions = (inner: fc.Arbitrary<OutputType>): fc.Arbitrary<OutputType> =>
  fc.oneof(
    fc.tuple(inner, inner).map(([a, b]) => ({
      type: z.union([a.type, b.type]),
      values: fc.oneof(a.values, b.values).filter(isPlainUnder([a.type, b.type])),
    })),
    fc.tuple(inner, inner).map(([a, b]) => ({
      type: z.discriminatedUnion('kind', [
        z.object({ kind: z.literal('a'), value: z.object({ x: a.type, y: b.type }) }),
        z.object({ kind: z.literal('b'), value: z.object({ y: b.type, x: a.type }) }),
      ]),
      values: fc.record(
        { kind: fc.constantFrom('a', 'b'), value: fc.record({ x: a.values, y: b.values }, { noNullPrototype: true }) },
        { noNullPrototype: true },
      ),
    })),
  );

/** zod takes the first type that fits, and leaves members out that this one does not know. */
const isPlainUnder =
  (types: readonly z.ZodType[]) =>
  (value: Json): boolean => {
    const read = types.map((type) => type.safeParse(value)).find(({ success }) => success);
    return JSON.stringify(sorted(read?.data as Json)) === JSON.stringify(sorted(value));
  };

function sorted(value: Json): Json {
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map(sorted);
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, item]) => [name, sorted(item as Json)]),
  );
}

const tuples = (inner: fc.Arbitrary<OutputType>): fc.Arbitrary<OutputType> =>
  fc.oneof(
    fc.tuple(inner, inner).map(([a, b]) => ({ type: z.tuple([a.type, b.type]), values: fc.tuple(a.values, b.values) })),
    fc.tuple(inner, inner).map(([a, b]) => ({
      type: z.tuple([a.type], b.type),
      values: fc.tuple(a.values, fc.array(b.values, { maxLength: 2 })).map(([first, rest]) => [first, ...rest]),
    })),
  );

const records = (inner: fc.Arbitrary<OutputType>): fc.Arbitrary<OutputType> =>
  fc.oneof(
    inner.map(({ type, values }) => ({
      type: z.record(z.string(), type),
      values: fc.dictionary(
        text.filter((key) => key !== '__proto__'),
        values,
        { maxKeys: 3, noNullPrototype: true },
      ),
    })),
    inner.map(({ type, values }) => ({
      type: z.record(z.enum(['b', 'a']), type),
      values: fc.record({ a: values, b: values }, { noNullPrototype: true }),
    })),
    inner.map(({ type, values }) => ({
      type: z.record(z.string().regex(/^[a-z]{1,2}$/), type),
      values: fc.dictionary(fc.stringMatching(/^[a-z]{1,2}$/), values, { maxKeys: 3, noNullPrototype: true }),
    })),
  );
