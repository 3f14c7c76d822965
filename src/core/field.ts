import { z } from 'zod';
import { InputError } from './errors.ts';
import type { Json } from './json.ts';

/** What a value can be, as far as prompts and grammars care. */
export type FieldKind =
  | { readonly type: 'choice'; readonly values: readonly Literal[] }
  | { readonly type: 'string'; readonly schema: JsonSchema }
  | { readonly type: 'number'; readonly integer: boolean; readonly schema: JsonSchema }
  | { readonly type: 'json'; readonly schema: JsonSchema };

export type Literal = string | number | boolean | null;

/** One input or output of a signature. `constraints` are in words, for the prompt. */
export interface Field {
  readonly name: string;
  readonly description: string;
  readonly kind: FieldKind;
  readonly constraints: readonly string[];
}

/** The part of JSON Schema that zod writes and our grammars read. */
export interface JsonSchema {
  readonly [keyword: string]: Json | undefined;
}

/** Integer ranges of up to this many values are decided as a closed choice. */
const largestRange = 32;

/** `__proto__` is the one name that cannot be a key of a plain object. */
export const isFieldName = (name: string): boolean => /^[A-Za-z_]\w*$/.test(name) && name !== '__proto__';

/** Reads the fields of a zod object, all mistakes at once. */
export function fieldsOf(shape: z.ZodRawShape, role: 'input' | 'output'): Field[] {
  const mistakes: string[] = [];
  if (role === 'output' && Object.keys(shape).length === 0) mistakes.push('There are no outputs.');
  const fields = Object.entries(shape).map(([name, type]) => {
    if (!isFieldName(name)) mistakes.push(`${role} "${name}": a field name is letters, digits and _`);
    try {
      return fieldOf(name, type as z.ZodType, role);
    } catch (error) {
      mistakes.push(`${role} "${name}": ${error instanceof Error ? error.message : error}`);
      return undefined;
    }
  });
  if (mistakes.length > 0) {
    throw new InputError(
      'signature-unsupported',
      mistakes,
      'Use strings, numbers, booleans, enums, arrays and objects of these; null with z.nullable().',
    );
  }
  return fields.filter((field) => field !== undefined);
}

/** Checks that zod writes as keywords of a JSON schema. */
const writtenChecks = [
  'greater_than',
  'less_than',
  'multiple_of',
  'number_format',
  'min_length',
  'max_length',
  'length_equals',
  'string_format',
];

/** What JSON Schema has no word for stands as a keyword of ours, so that a grammar can refuse it by its name. */
const unwritten = { custom: 'refine' } as Readonly<Record<string, string>>;

const isChecked = (schema: JsonSchema): boolean => schema.refine !== undefined;

function schemaOf(type: z.ZodType, role: 'input' | 'output'): JsonSchema {
  // `as`: zod types its result as a recursive schema; it is plain JSON.
  const { $schema: _, ...schema } = z.toJSONSchema(type, {
    io: role,
    override: ({ zodSchema, jsonSchema }) => {
      const { def } = zodSchema._zod;
      if (role === 'output' && def.type === 'pipe')
        throw new Error('a transform changes the value as it is read; do it after the prediction');
      if (def.type === 'union' && 'inclusive' in def && def.inclusive === false && !('discriminator' in def))
        Object.assign(jsonSchema, { xor: true });
      addChecks(zodSchema, jsonSchema);
      // zod writes these for every whole number; they say nothing to a reader, and no whole number of ours is beyond them.
      if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
    },
  }) as unknown as JsonSchema;
  return schema;
}

function addChecks({ _zod }: z.core.$ZodType, schema: object): void {
  const checks = (_zod.def.checks ?? []).map((check) => check._zod.def);
  const hidden = checks.map(({ check }) => check).filter((check) => !writtenChecks.includes(check));
  const isBounded = ['minLength', 'maxLength', 'pattern', 'allOf'].some((keyword) => keyword in schema);
  for (const check of hidden)
    if (check !== 'overwrite' || isBounded) Object.assign(schema, { [unwritten[check] ?? check]: true });
  const patterns = checks.map((check) =>
    'pattern' in check && check.pattern instanceof RegExp ? check.pattern : null,
  );
  const flags = patterns.map((pattern) => pattern?.flags.replaceAll(/[dg]/g, '') ?? '').filter((found) => found !== '');
  if (flags.length > 0) Object.assign(schema, { patternFlags: flags.join(' ') });
}

function fieldOf(name: string, type: z.ZodType, role: 'input' | 'output'): Field {
  if (role === 'output' && type.safeParse(undefined).success) {
    throw new Error('an output is always given; write z.nullable() for "may be empty"');
  }
  const schema = schemaOf(type, role);
  const description = typeof schema.description === 'string' ? schema.description : '';
  const kind = kindOf(schema);
  if (kind.type === 'choice' && kind.values.length === 0) throw new Error('no value is possible');
  return { name, description, kind, constraints: constraintsOf(schema) };
}

function kindOf(schema: JsonSchema): FieldKind {
  const values = choicesOf(schema);
  if (values) return { type: 'choice', values };
  if (schema.type === 'string') return { type: 'string', schema };
  if (schema.type === 'number' || schema.type === 'integer')
    return { type: 'number', integer: schema.type === 'integer', schema };
  return { type: 'json', schema };
}

/** The values of a closed set, or null when the set is open. */
function choicesOf(schema: JsonSchema): Literal[] | null {
  const values = literalsOf(schema);
  if (values) return values;
  if (isChecked(schema)) return null;
  if (schema.type === 'boolean') return [true, false];
  return schema.type === 'integer' ? smallRange(schema) : null;
}

/** The values of an enum, a literal, null, or a union of them; null for any other schema. */
export function literalsOf(schema: JsonSchema): Literal[] | null {
  const isLiteral = (value: unknown): value is Literal =>
    value === null || ['string', 'number', 'boolean'].includes(typeof value);
  if (isChecked(schema)) return null;
  if (Array.isArray(schema.enum)) return schema.enum.every(isLiteral) ? [...schema.enum] : null;
  if (schema.const !== undefined) return isLiteral(schema.const) ? [schema.const] : null;
  if (schema.type === 'null') return [null];
  if (!Array.isArray(schema.anyOf)) return null;
  // `as`: what zod writes there are schemas.
  const parts = (schema.anyOf as JsonSchema[]).map(literalsOf);
  return parts.every((part) => part !== null) ? [...new Set(parts.flat())] : null;
}

/** The whole numbers that a schema allows, where both of its bounds are known and near each other. */
function smallRange(schema: JsonSchema): number[] | null {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf } = schema;
  const least = typeof exclusiveMinimum === 'number' ? Math.floor(exclusiveMinimum) + 1 : minimum;
  const most = typeof exclusiveMaximum === 'number' ? Math.ceil(exclusiveMaximum) - 1 : maximum;
  if (typeof least !== 'number' || typeof most !== 'number' || most - least >= largestRange) return null;
  const first = Math.ceil(least);
  const numbers = Array.from({ length: Math.floor(most) - first + 1 }, (_, i) => first + i);
  return numbers.filter((number) => typeof multipleOf !== 'number' || number % multipleOf === 0);
}

function constraintsOf(schema: JsonSchema): string[] {
  const {
    minimum,
    maximum,
    exclusiveMinimum,
    exclusiveMaximum,
    minLength,
    maxLength,
    minItems,
    maxItems,
    pattern,
    multipleOf,
  } = schema;
  return [
    typeof minimum === 'number' ? `at least ${minimum}` : '',
    typeof maximum === 'number' ? `at most ${maximum}` : '',
    typeof exclusiveMinimum === 'number' ? `more than ${exclusiveMinimum}` : '',
    typeof exclusiveMaximum === 'number' ? `less than ${exclusiveMaximum}` : '',
    multipleOf === undefined ? '' : `a multiple of ${multipleOf}`,
    minLength === undefined ? '' : `at least ${minLength} characters`,
    maxLength === undefined ? '' : `at most ${maxLength} characters`,
    minItems === undefined ? '' : `at least ${minItems} items`,
    maxItems === undefined ? '' : `at most ${maxItems} items`,
    typeof pattern === 'string' && schema.type === 'string' ? `matching ${pattern}` : '',
  ].filter((text) => text !== '');
}
