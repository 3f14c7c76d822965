import { z } from 'zod';
import { InputError } from './errors.ts';
import type { Json } from './json.ts';

/** What a value can be, as far as prompts and grammars care. */
export type FieldKind =
  | { readonly type: 'choice'; readonly values: readonly (string | number | boolean)[] }
  | { readonly type: 'string' }
  | { readonly type: 'number'; readonly integer: boolean }
  | { readonly type: 'json'; readonly schema: JsonSchema };

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

function fieldOf(name: string, type: z.ZodType, role: 'input' | 'output'): Field {
  if (role === 'output' && type.safeParse(undefined).success) {
    throw new Error('an output is always given; write z.nullable() for "may be empty"');
  }
  // `as`: zod types its result as a recursive schema; it is plain JSON.
  const { $schema: _, ...schema } = z.toJSONSchema(type, { io: role }) as unknown as JsonSchema;
  const description = typeof schema.description === 'string' ? schema.description : '';
  const kind = kindOf(schema);
  if (kind.type === 'choice' && kind.values.length === 0) throw new Error('no value is possible');
  return { name, description, kind, constraints: constraintsOf(schema) };
}

function kindOf(schema: JsonSchema): FieldKind {
  const values = choicesOf(schema);
  if (values) return { type: 'choice', values };
  if (schema.type === 'string') return { type: 'string' };
  if (schema.type === 'number' || schema.type === 'integer')
    return { type: 'number', integer: schema.type === 'integer' };
  return { type: 'json', schema };
}

/** The values of a closed set, or null when the set is open. */
function choicesOf(schema: JsonSchema): (string | number | boolean)[] | null {
  const isPlain = (value: unknown): value is string | number | boolean =>
    ['string', 'number', 'boolean'].includes(typeof value);
  if (Array.isArray(schema.enum) && schema.enum.every(isPlain)) return [...schema.enum];
  if (isPlain(schema.const)) return [schema.const];
  if (schema.type === 'boolean') return [true, false];
  return schema.type === 'integer' ? smallRange(schema) : null;
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

/** zod writes the safe-integer bounds for every integer; they say nothing to a reader. */
const isRealBound = (bound: Json | undefined): bound is number =>
  typeof bound === 'number' && Math.abs(bound) < Number.MAX_SAFE_INTEGER;

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
    isRealBound(minimum) ? `at least ${minimum}` : '',
    isRealBound(maximum) ? `at most ${maximum}` : '',
    isRealBound(exclusiveMinimum) ? `more than ${exclusiveMinimum}` : '',
    isRealBound(exclusiveMaximum) ? `less than ${exclusiveMaximum}` : '',
    multipleOf === undefined ? '' : `a multiple of ${multipleOf}`,
    minLength === undefined ? '' : `at least ${minLength} characters`,
    maxLength === undefined ? '' : `at most ${maxLength} characters`,
    minItems === undefined ? '' : `at least ${minItems} items`,
    maxItems === undefined ? '' : `at most ${maxItems} items`,
    typeof pattern === 'string' && schema.type === 'string' ? `matching ${pattern}` : '',
  ].filter((text) => text !== '');
}
