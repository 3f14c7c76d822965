import { type JsonSchema, literalsOf } from './field.ts';
import { canonicalJson, type Json } from './json.ts';
import { integerExpression, neighbour, numberExpression } from './number-grammar.ts';
import { type TextPlace, textExpression, textRules, UnsupportedText } from './text-grammar.ts';

/** Rules shared by all grammars: the GBNF of llama.cpp. A string body never holds a raw control character. */
const sharedRules: Readonly<Record<string, string>> = {
  ...textRules,
  string: String.raw`"\"" char* "\""`,
  integer: integerExpression(Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)!,
  number: numberExpression(Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY)!,
  boolean: '"true" | "false"',
  null: '"null"',
};

const quoteGbnf = (text: string): string =>
  `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n').replaceAll('\r', '\\r').replaceAll('\t', '\\t')}"`;

/** A grammar text whose root is `expression`, with the shared rules that it needs. */
function gbnf(expression: string, rules: ReadonlyMap<string, string>): string {
  const all = new Map([['root', expression], ...rules]);
  // Rules pull in the rules they name; a Map grows while it is walked.
  for (const body of all.values()) {
    for (const [, name] of withoutLiterals(body).matchAll(/(?<![\w-])([a-z]+)(?![\w-])/g)) {
      const rule = sharedRules[name!];
      if (rule !== undefined && !all.has(name!)) all.set(name!, rule);
    }
  }
  return [...all].map(([name, body]) => `${name} ::= ${body}`).join('\n');
}

const withoutLiterals = (body: string): string =>
  body.replace(/"(?:[^"\\]|\\.)*"/g, '').replace(/\[(?:[^\]\\]|\\.)*\]/g, '');

/** A GBNF expression and the rules it names. */
export interface Expression {
  readonly root: string;
  readonly rules: ReadonlyMap<string, string>;
}

/** What of a type no grammar can say: everything at once, each with its place inside of the value (`.lines[].price`). */
export class UnsupportedType extends Error {
  readonly mistakes: readonly { readonly path: string; readonly message: string }[];

  constructor(mistakes: UnsupportedType['mistakes']) {
    super(mistakes.map(({ path, message }) => `${path}${path && ': '}${message}`).join('\n'));
    this.mistakes = mistakes;
  }
}

/** The body of a JSON string with its closing quote. */
export const stringBodyGrammar = (schema: JsonSchema): string => {
  const { root, rules } = gathered((draft) => textOf(schema, 'json', draft, ''));
  return gbnf(String.raw`${root} "\""`, rules);
};

/** Text without quotes, on one line. */
export const lineExpression = (schema: JsonSchema, place: Exclude<TextPlace, 'json'>): Expression =>
  gathered((draft) => textOf(schema, place, draft, ''));

/** One JSON value of a schema; throws `UnsupportedType` where the schema cannot be a grammar. */
export const jsonExpression = (schema: JsonSchema): Expression => gathered((draft) => expressionOf(schema, draft, ''));

/** The grammar of an expression between two fixed texts. */
export function grammarBetween(before: string, { root, rules }: Expression, after: string): string {
  const parts = [before === '' ? '' : quoteGbnf(before), root, after === '' ? '' : quoteGbnf(after)];
  return gbnf(parts.filter((part) => part !== '').join(' '), rules);
}

/** A grammar in the making. */
interface Draft {
  readonly rules: Map<string, string>;
  /** Roots of texts that already have rules, by place and schema. */
  readonly texts: Map<string, string>;
  refuse(path: string, name: string): string;
}

function gathered(build: (draft: Draft) => string): Expression {
  const rules = new Map<string, string>();
  const mistakes: { path: string; message: string }[] = [];
  const refuse = (path: string, name: string): string => {
    mistakes.push({ path, message: `${name} cannot be decoded under a grammar; ${remedyFor(name)}` });
    return '""';
  };
  const root = build({ rules, texts: new Map(), refuse });
  if (mistakes.length > 0) throw new UnsupportedType(mistakes);
  return { root, rules };
}

const remedies: Readonly<Record<string, string>> = {
  $ref: 'write the levels of a recursive type out, leave .meta({ id }) away, or use decoding "free"',
  refine: 'a check in code belongs into the metric; or use decoding "free"',
  overwrite: 'leave .trim() and the like away beside bounds, or use decoding "free"',
  additionalProperties: 'name every member (no z.looseObject, no .catchall), or use decoding "free"',
  xor: 'use z.union or z.discriminatedUnion, or use decoding "free"',
};

const remedyFor = (name: string): string =>
  remedies[/^"([^"]+)"/.exec(name)?.[1] ?? ''] ?? 'use decoding "free" or a simpler type';

/** What says nothing about which values there are. A format is one of them where a pattern says it. */
const annotations = [
  '$schema',
  '$defs',
  'title',
  'description',
  'default',
  'examples',
  'deprecated',
  'readOnly',
  'id',
  'contentEncoding',
];

/** The keywords that a grammar reads, by what the schema is. */
const readKeywords: Readonly<Record<string, readonly string[]>> = {
  union: ['anyOf', 'oneOf'],
  literal: ['type', 'const', 'enum'],
  string: ['type', 'minLength', 'maxLength', 'pattern', 'patternFlags', 'allOf', 'format'],
  number: ['type', 'minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum'],
  boolean: ['type'],
  null: ['type'],
  array: ['type', 'items', 'prefixItems', 'minItems', 'maxItems'],
  object: ['type', 'properties', 'required', 'additionalProperties', 'propertyNames'],
};

function kindOf(schema: JsonSchema): string {
  if (schema.anyOf ?? schema.oneOf) return 'union';
  if (schema.const !== undefined || schema.enum) return 'literal';
  return schema.type === 'integer' ? 'number' : String(schema.type ?? 'any');
}

function expressionOf(given: JsonSchema, draft: Draft, path: string): string {
  // zod writes `type: ["string", "null"]` for some of what may be null.
  const schema: JsonSchema = Array.isArray(given.type)
    ? { anyOf: given.type.map((type: Json) => (type === 'null' ? { type } : { ...given, type })) }
    : given;
  const kind = kindOf(schema);
  const unread = unreadKeywords(schema, kind);
  if (unread.length > 0) return unread.map((name) => draft.refuse(path, name))[0]!;
  switch (kind) {
    case 'union':
      return `(${alternativesOf(schema)
        .map((one) => expressionOf(one, draft, path))
        .join(' | ')})`;
    case 'literal':
      return literalExpression(schema);
    case 'string':
      return stringExpression(schema, draft, path);
    case 'number':
      return boundedNumber(schema) ?? draft.refuse(path, 'a number of which there is none');
    case 'array':
      return schema.prefixItems ? tupleExpression(schema, draft, path) : arrayExpression(schema, draft, path);
    case 'object':
      return objectExpression(schema, draft, path);
    default:
      return kind;
  }
}

function unreadKeywords(schema: JsonSchema, kind: string): string[] {
  const known = readKeywords[kind];
  const given = Object.keys(schema).filter(
    (keyword) => schema[keyword] !== undefined && !annotations.includes(keyword),
  );
  if (known) return given.filter((keyword) => !known.includes(keyword)).map((keyword) => `"${keyword}"`);
  const named = given.filter((keyword) => keyword !== 'type').map((keyword) => `"${keyword}"`);
  return named.length > 0 ? named : [`"type: ${JSON.stringify(schema.type ?? 'any')}"`];
}

// `as`: JSON Schema keywords have these shapes when zod wrote them; so in the functions below.
const alternativesOf = (schema: JsonSchema): readonly JsonSchema[] =>
  (schema.anyOf ?? schema.oneOf ?? []) as readonly JsonSchema[];

function literalExpression(schema: JsonSchema): string {
  const values = literalsOf(schema) ?? [];
  const texts = values.map((value) => quoteGbnf(JSON.stringify(value)));
  return texts.length === 1 ? texts[0]! : `(${texts.join(' | ')})`;
}

function stringExpression(schema: JsonSchema, draft: Draft, path: string): string {
  const body = textOf(schema, 'json', draft, path);
  return body === 'char*' ? 'string' : String.raw`"\"" ${body} "\""`;
}

function textOf(schema: JsonSchema, place: TextPlace, draft: Draft, path: string): string {
  const unread = unreadKeywords(schema, 'string');
  if (unread.length > 0) return unread.map((name) => draft.refuse(path, name))[0]!;
  if (schema.format !== undefined && schema.pattern === undefined && schema.allOf === undefined)
    return draft.refuse(path, `"format: ${JSON.stringify(schema.format)}"`);
  const key = `${place}${canonicalJson({ ...schema, description: undefined, title: undefined })}`;
  const known = draft.texts.get(key);
  if (known !== undefined) return known;
  try {
    const { root, rules } = textExpression(schema, place, `t${draft.texts.size}`);
    for (const [name, body] of rules) draft.rules.set(name, body);
    draft.texts.set(key, root);
    return root;
  } catch (error) {
    if (!(error instanceof UnsupportedText)) throw error;
    return draft.refuse(path, error.message);
  }
}

function boundedNumber(schema: JsonSchema): string | null {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum } = schema;
  const isBound = (bound: Json | undefined): bound is number => typeof bound === 'number';
  const least = isBound(exclusiveMinimum) ? neighbour(exclusiveMinimum, 1) : minimum;
  const most = isBound(exclusiveMaximum) ? neighbour(exclusiveMaximum, -1) : maximum;
  const bounds = [
    isBound(least) ? least : Number.NEGATIVE_INFINITY,
    isBound(most) ? most : Number.POSITIVE_INFINITY,
  ] as const;
  const expression = schema.type === 'integer' ? integerExpression(...bounds) : numberExpression(...bounds);
  // The unbounded ones have a rule of their own.
  return ['integer', 'number'].find((name) => sharedRules[name] === expression) ?? expression;
}

function arrayExpression(schema: JsonSchema, draft: Draft, path: string): string {
  const item = named(expressionOf((schema.items ?? {}) as JsonSchema, draft, `${path}[]`), draft.rules);
  return `"[" ${listOf(item, schema, 0, draft, path)} "]"`;
}

// llama.cpp refuses more.
const longestList = 2000;

/** Items with commas between them, behind so many others. */
function listOf(item: string, schema: JsonSchema, behind: number, draft: Draft, path: string): string {
  const least = Math.max((typeof schema.minItems === 'number' ? schema.minItems : 0) - behind, 0);
  const most = typeof schema.maxItems === 'number' ? schema.maxItems - behind : null;
  if (most !== null && most < least) return draft.refuse(path, '"maxItems" below "minItems"');
  if (Math.max(least, most ?? 0) > longestList)
    return draft.refuse(path, `"${most === null ? 'minItems' : 'maxItems'}" above ${longestList}`);
  if (most === 0) return '""';
  const upTo = most === null ? '' : most;
  if (behind > 0) return `(", " ${item}){${least},${upTo}}`;
  const more = `(", " ${item}){${Math.max(least - 1, 0)},${most === null ? '' : most - 1}}`;
  return least === 0 ? `(${item} ${more})?` : `${item} ${more}`;
}

/** The places of a tuple in turn; those that may be left out are nested, because each needs the ones before it. */
function tupleExpression(schema: JsonSchema, draft: Draft, path: string): string {
  const places = (schema.prefixItems as readonly JsonSchema[]).map((item, index) =>
    named(expressionOf(item, draft, `${path}[${index}]`), draft.rules),
  );
  const needed = typeof schema.minItems === 'number' ? schema.minItems : 0;
  const rest =
    schema.items === false || schema.items === undefined
      ? ''
      : listOf(
          named(expressionOf(schema.items as JsonSchema, draft, `${path}[]`), draft.rules),
          schema,
          places.length,
          draft,
          path,
        );
  const inside = places.reduceRight((behind, item, index) => {
    const written = `${index === 0 ? '' : '", " '}${item} ${behind}`.trim();
    return index < needed ? written : `(${written})?`;
  }, rest);
  return `"[" ${inside} "]"`;
}

function objectExpression(schema: JsonSchema, draft: Draft, path: string): string {
  const members = membersOf(schema);
  if (members === null) return recordExpression(schema, draft, path);
  const { additionalProperties: others } = schema;
  if (schema.propertyNames === undefined && others !== undefined && others !== false)
    return draft.refuse(path, '"additionalProperties"');
  const required = (schema.required ?? []) as readonly string[];
  // zod takes such a member, where it is left out, for the function of that name that every object has.
  const inherited = [...members.keys()].filter((name) => name in Object.prototype && !required.includes(name));
  for (const name of inherited) draft.refuse(path, `an optional member called "${name}"`);
  const written = [...members].map(([name, value]) => ({
    text: `${quoteGbnf(`${JSON.stringify(name)}: `)} ${named(expressionOf(value, draft, `${path}.${name}`), draft.rules)}`,
    isNeeded: required.includes(name),
  }));
  return `"{" ${membersInTurn(written, draft.rules)} "}"`;
}

interface Member {
  readonly text: string;
  readonly isNeeded: boolean;
}

/** Members with commas between them. Whichever comes first has none before it. */
function membersInTurn(members: readonly Member[], rules: Map<string, string>): string {
  const behind = members.map(() => '');
  for (let index = members.length - 2; index >= 0; index--) {
    const { text, isNeeded } = members[index + 1]!;
    const next = isNeeded ? `", " ${text}` : `(", " ${text})?`;
    const rest = behind[index + 1]!;
    behind[index] = `${next} ${isNeeded && rest !== '' ? rest : rest && named(rest, rules)}`.trim();
  }
  const firstNeeded = members.findIndex(({ isNeeded }) => isNeeded);
  const openers = firstNeeded === -1 ? members : members.slice(0, firstNeeded + 1);
  const options = openers.map(({ text }, index) => `${text} ${behind[index]}`.trim());
  if (options.length === 0) return '""';
  if (firstNeeded === -1) return `(${options.join(' | ')})?`;
  return options.length === 1 ? options[0]! : `(${options.join(' | ')})`;
}

/** The named members of an object; null for a record, whose keys are open. */
function membersOf({ properties, propertyNames, additionalProperties }: JsonSchema): Map<string, JsonSchema> | null {
  const given = Object.entries((properties ?? {}) as { [name: string]: JsonSchema });
  if (given.length > 0) return new Map(given);
  if (propertyNames === undefined)
    return additionalProperties === undefined || additionalProperties === false ? new Map() : null;
  const names = literalsOf(propertyNames as JsonSchema);
  return names && new Map(names.map((name) => [String(name), (additionalProperties ?? {}) as JsonSchema]));
}

function recordExpression(schema: JsonSchema, draft: Draft, path: string): string {
  const key = expressionOf((schema.propertyNames ?? { type: 'string' }) as JsonSchema, draft, `${path} key`);
  const value = expressionOf((schema.additionalProperties ?? {}) as JsonSchema, draft, `${path}{}`);
  const entry = named(`${key} ": " ${value}`, draft.rules);
  return `"{" (${entry} (", " ${entry})*)? "}"`;
}

/** Gives an expression a rule of its own, so that repetition and nesting stay short. */
function named(expression: string, rules: Map<string, string>): string {
  if (/^[a-z][a-z0-9-]*$/.test(expression)) return expression;
  const known = [...rules].find(([, body]) => body === expression)?.[0];
  if (known) return known;
  const name = `r${rules.size}`;
  rules.set(name, expression);
  return name;
}

/** A value with the members of its objects in the order in which the grammar of its schema has them. */
export function inGrammarOrder(value: Json, schema: JsonSchema): Json {
  if (value === null || typeof value !== 'object') return value;
  const own = alternativesOf(schema).find((one) => fits(value, one));
  if (own) return inGrammarOrder(value, own);
  // `as` here and below: see canonicalJson for arrays.
  if (Array.isArray(value)) return value.map((item: Json, index) => inGrammarOrder(item, itemSchema(schema, index)));
  const given = value as { readonly [name: string]: Json | undefined };
  const members = membersOf(schema);
  const names = [...new Set([...(members?.keys() ?? []), ...Object.keys(given)])].filter(
    (name) => Object.hasOwn(given, name) && given[name] !== undefined,
  );
  const ordered = names.map((name): [string, Json] => [name, inGrammarOrder(given[name]!, memberSchema(schema, name))]);
  return Object.fromEntries(ordered);
}

const itemSchema = ({ prefixItems, items }: JsonSchema, index: number): JsonSchema =>
  ((prefixItems as readonly JsonSchema[] | undefined)?.[index] ?? (items || {})) as JsonSchema;

const memberSchema = (schema: JsonSchema, name: string): JsonSchema =>
  membersOf(schema)?.get(name) ?? ((schema.additionalProperties || {}) as JsonSchema);

/** Whether a value is of a schema as far as its members, literals and types say: enough to tell the alternatives of a union apart. */
function fits(value: Json, schema: JsonSchema): boolean {
  const alternatives = alternativesOf(schema);
  if (alternatives.length > 0) return alternatives.some((one) => fits(value, one));
  const literals = literalsOf(schema);
  if (literals) return literals.some((one) => one === value);
  const types = [schema.type].flat();
  if (value === null || typeof value !== 'object')
    return types.some(
      (type) => type === (value === null ? 'null' : typeof value) || (type === 'integer' && Number.isInteger(value)),
    );
  if (Array.isArray(value))
    return types.includes('array') && value.every((item: Json, index) => fits(item, itemSchema(schema, index)));
  return types.includes('object') && fitsMembers(value as { readonly [name: string]: Json | undefined }, schema);
}

function fitsMembers(value: { readonly [name: string]: Json | undefined }, schema: JsonSchema): boolean {
  const members = membersOf(schema);
  const given = Object.entries(value).filter((entry): entry is [string, Json] => entry[1] !== undefined);
  const required = (schema.required ?? []) as readonly string[];
  return (
    required.every((name) => Object.hasOwn(value, name) && value[name] !== undefined) &&
    given.every(([name, item]) => (members?.has(name) ?? true) && fits(item, memberSchema(schema, name)))
  );
}
