import { z } from 'zod';
import { InputError } from './errors.ts';
import { isFieldName } from './field.ts';

// The type level follows the grammar of `parseSignature` below; a test holds the two together.

type Blank = ' ' | '\n' | '\r' | '\t';
type Trim<S extends string> = S extends `${Blank}${infer R}` ? Trim<R> : S extends `${infer R}${Blank}` ? Trim<R> : S;

/** The text outside of quotes; never, where a quote stays open. */
type OutsideQuotes<S extends string, Out extends string = ''> = S extends `${infer A}'${infer B}`
  ? A extends `${infer C}"${infer D}`
    ? `${D}'${B}` extends `${string}"${infer Rest}`
      ? OutsideQuotes<Rest, `${Out}${C}`>
      : never
    : B extends `${string}'${infer Rest}`
      ? OutsideQuotes<Rest, `${Out}${A}`>
      : never
  : S extends `${infer A}"${infer B}`
    ? B extends `${string}"${infer Rest}`
      ? OutsideQuotes<Rest, `${Out}${A}`>
      : never
    : `${Out}${S}`;

type HasPairs<S extends string> = S extends `${infer A}]${infer B}`
  ? A extends `${infer X}[${infer Y}`
    ? HasPairs<`${X}${Y}${B}`>
    : false
  : S extends `${string}[${string}`
    ? false
    : true;

type IsClosed<S extends string> = [OutsideQuotes<S>] extends [never] ? false : HasPairs<OutsideQuotes<S>>;

/** Splits at a separator that stands outside of quotes and brackets. */
type Split<
  S extends string,
  Separator extends string,
  Open extends string = '',
  Done extends readonly string[] = [],
> = S extends `${infer A}${Separator}${infer B}`
  ? IsClosed<`${Open}${A}`> extends true
    ? Split<B, Separator, '', [...Done, `${Open}${A}`]>
    : Split<B, Separator, `${Open}${A}${Separator}`, Done>
  : [...Done, `${Open}${S}`];

type Unquoted<T extends string> = T extends `'${infer V}'` ? V : T extends `"${infer V}"` ? V : never;

type FieldType<T extends string> = [Trim<Split<T, '|'>[number]>] extends [`'${string}'` | `"${string}"`]
  ? z.ZodType<Unquoted<Trim<Split<T, '|'>[number]>>, Unquoted<Trim<Split<T, '|'>[number]>>>
  : T extends `${infer Item}[]`
    ? z.ZodArray<FieldType<Trim<Item>>>
    : T extends `list[${infer Item}]`
      ? z.ZodArray<FieldType<Trim<Item>>>
      : T extends 'int' | 'float' | 'number'
        ? z.ZodNumber
        : T extends 'bool' | 'boolean'
          ? z.ZodBoolean
          : z.ZodString;

type Shape<Side extends string> = {
  [F in Split<Side, ','>[number] as F extends `${infer Name}:${string}`
    ? Trim<Name>
    : Trim<F>]: F extends `${string}:${infer T}` ? FieldType<Trim<T>> : z.ZodString;
};

/** The zod shapes that a signature string stands for; plain shapes when the string is not known at compile time. */
export type SignatureShapes<S extends string> = string extends S
  ? { inputs: z.ZodRawShape; outputs: z.ZodRawShape }
  : Split<S, '->'> extends [infer Inputs extends string, infer Outputs extends string]
    ? { inputs: Shape<Inputs>; outputs: Shape<Outputs> }
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
    if (Object.hasOwn(outputs!, name)) mistakes.push(`"${name}" stands on both sides of the arrow.`);
  }
  if (mistakes.length > 0) throw new InputError('signature-syntax', mistakes, hint);
  return { inputs: inputs!, outputs: outputs! };
}

function shapeOf(side: string, where: string, mistakes: string[]): Record<string, z.ZodType> {
  const shape: Record<string, z.ZodType> = {};
  for (const field of splitOutsideQuotes(side, ',')) {
    const [, name, type] = /^\s*(\w+)\s*(?::(.*))?$/s.exec(field) ?? [];
    if (name === undefined || !isFieldName(name))
      mistakes.push(`"${field.trim()}" (${where} of the arrow) is not a field: name or name: type.`);
    else if (Object.hasOwn(shape, name)) mistakes.push(`"${name}" stands twice ${where} of the arrow.`);
    else shape[name] = typeOf(type?.trim() ?? 'str', name, mistakes);
  }
  return shape;
}

function typeOf(type: string, field: string, mistakes: string[]): z.ZodType {
  const members = splitOutsideQuotes(type, '|').map((member) => member.trim());
  if (members.every(isQuoted)) return z.enum(members.map((member) => member.slice(1, -1)) as [string, ...string[]]);
  const list = /^(.+)\[\]$/s.exec(type) ?? /^list\[(.+)\]$/s.exec(type);
  if (list && members.length === 1) return z.array(typeOf(list[1]!.trim(), field, mistakes));
  const known = namedTypes.get(type);
  if (known) return known;
  mistakes.push(
    `"${field}" has the unknown type ${type}; known are str, int, float, bool, list[...], T[] and 'word' | 'word'.`,
  );
  return z.string();
}

const namedTypes: ReadonlyMap<string, z.ZodType> = new Map<string, z.ZodType>([
  ['str', z.string()],
  ['string', z.string()],
  ['int', z.int()],
  ['float', z.number()],
  ['number', z.number()],
  ['bool', z.boolean()],
  ['boolean', z.boolean()],
]);

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
