import { z } from 'zod';
import { InputError } from './errors.ts';

// The type level follows the grammar of `parseSignature` below; a test holds the two together.

type Trim<S extends string> = S extends ` ${infer R}` ? Trim<R> : S extends `${infer R} ` ? Trim<R> : S;

type FieldType<T extends string> = T extends `${infer A}|${infer B}`
  ? z.ZodType<z.output<FieldType<Trim<A>>> | z.output<FieldType<Trim<B>>>>
  : T extends `'${infer V}'`
    ? z.ZodType<V>
    : T extends `"${infer V}"`
      ? z.ZodType<V>
      : T extends `list[${infer Item}]`
        ? z.ZodArray<FieldType<Trim<Item>>>
        : T extends `${infer Item}[]`
          ? z.ZodArray<FieldType<Trim<Item>>>
          : T extends 'int' | 'float' | 'number'
            ? z.ZodNumber
            : T extends 'bool' | 'boolean'
              ? z.ZodBoolean
              : z.ZodString;

type OneField<F extends string> = F extends `${infer Name}:${infer Type}`
  ? { [N in Trim<Name>]: FieldType<Trim<Type>> }
  : { [N in Trim<F>]: z.ZodString };

type FieldList<S extends string> = S extends `${infer First},${infer Rest}`
  ? OneField<Trim<First>> & FieldList<Rest>
  : OneField<Trim<S>>;

type Flat<T> = { [K in keyof T]: T[K] };

/** The zod shapes that a signature string stands for; plain shapes when the string is not known at compile time. */
export type SignatureShapes<S extends string> = string extends S
  ? { inputs: z.ZodRawShape; outputs: z.ZodRawShape }
  : S extends `${infer I}->${infer O}`
    ? { inputs: Flat<FieldList<I>>; outputs: Flat<FieldList<O>> }
    : never;

const hint = "Write for example: ticket, customer -> team: 'billing' | 'delivery', urgent: bool";

/** Reads `inputs -> outputs`, all mistakes at once. */
export function parseSignature(text: string): { inputs: z.ZodRawShape; outputs: z.ZodRawShape } {
  const sides = splitOutsideQuotes(text, '->');
  if (sides.length !== 2) {
    throw new InputError(
      'signature-syntax',
      [`The signature "${text}" has ${sides.length - 1} arrows; it needs exactly one "->".`],
      hint,
    );
  }
  const mistakes: string[] = [];
  const [inputs, outputs] = sides.map((side, index) => shapeOf(side, index === 0 ? 'left' : 'right', mistakes));
  for (const name of Object.keys(inputs!)) {
    if (name in outputs!) mistakes.push(`"${name}" stands on both sides of the arrow.`);
  }
  if (mistakes.length > 0) throw new InputError('signature-syntax', mistakes, hint);
  return { inputs: inputs!, outputs: outputs! };
}

function shapeOf(side: string, where: string, mistakes: string[]): Record<string, z.ZodType> {
  const shape: Record<string, z.ZodType> = {};
  for (const field of splitOutsideQuotes(side, ',')) {
    const [, name, type] = /^\s*([A-Za-z_]\w*)\s*(?::(.*))?$/s.exec(field) ?? [];
    if (name === undefined)
      mistakes.push(`"${field.trim()}" (${where} of the arrow) is not a field: name or name: type.`);
    else if (name in shape) mistakes.push(`"${name}" stands twice ${where} of the arrow.`);
    else shape[name] = typeOf(type?.trim() ?? 'str', name, mistakes);
  }
  return shape;
}

function typeOf(type: string, field: string, mistakes: string[]): z.ZodType {
  const members = splitOutsideQuotes(type, '|').map((member) => member.trim());
  if (members.every(isQuoted)) return z.enum(members.map((member) => member.slice(1, -1)) as [string, ...string[]]);
  const list = /^list\[(.+)\]$/s.exec(type) ?? /^(.+)\[\]$/s.exec(type);
  if (list && members.length === 1) return z.array(typeOf(list[1]!.trim(), field, mistakes));
  const named: Record<string, z.ZodType> = {
    str: z.string(),
    string: z.string(),
    int: z.int(),
    float: z.number(),
    number: z.number(),
    bool: z.boolean(),
    boolean: z.boolean(),
  };
  const known = named[type];
  if (known) return known;
  mistakes.push(
    `"${field}" has the unknown type ${type}; known are str, int, float, bool, list[...], T[] and 'word' | 'word'.`,
  );
  return z.string();
}

const isQuoted = (text: string): boolean => /^'[^']+'$/.test(text) || /^"[^"]+"$/.test(text);

/** Splits at a separator that stands outside of quotes and brackets. */
function splitOutsideQuotes(text: string, separator: string): string[] {
  const parts: string[] = [];
  let quote = '';
  let depth = 0;
  let start = 0;
  for (let i = 0; i < text.length; i++) {
    const char = text[i]!;
    if (quote) quote = char === quote ? '' : quote;
    else if (char === "'" || char === '"') quote = char;
    else if (char === '[') depth++;
    else if (char === ']') depth--;
    else if (depth === 0 && text.startsWith(separator, i)) {
      parts.push(text.slice(start, i));
      start = i + separator.length;
      i = start - 1;
    }
  }
  return [...parts, text.slice(start)];
}
