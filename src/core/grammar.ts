import type { JsonSchema } from './field.ts';
import type { Json } from './json.ts';

/** Rules shared by all grammars: the GBNF of llama.cpp. A string body never holds a raw control character. */
const jsonRules: Readonly<Record<string, string>> = {
  char: String.raw`[^"\\\x00-\x1F\x7F] | "\\" (["\\bfnrt] | "u" [0-9a-fA-F] [0-9a-fA-F] [0-9a-fA-F] [0-9a-fA-F])`,
  string: String.raw`"\"" char* "\""`,
  integer: '"-"? ("0" | [1-9] [0-9]{0,14})',
  number: '"-"? ("0" | [1-9] [0-9]{0,14}) ("." [0-9]{1,15})?',
  boolean: '"true" | "false"',
  null: '"null"',
};

const quoteGbnf = (text: string): string =>
  `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n').replaceAll('\r', '\\r').replaceAll('\t', '\\t')}"`;

/** A grammar text whose root is `expression`, with the JSON rules that it needs. */
function gbnf(expression: string, rules: ReadonlyMap<string, string> = new Map()): string {
  const all = new Map([['root', expression], ...rules]);
  // Rules pull in the rules they name; a Map grows while it is walked.
  for (const body of all.values()) {
    for (const [name, rule] of Object.entries(jsonRules)) {
      if (!all.has(name) && new RegExp(`(?<![\\w-])${name}(?![\\w-])`).test(withoutLiterals(body))) all.set(name, rule);
    }
  }
  return [...all].map(([name, body]) => `${name} ::= ${body}`).join('\n');
}

const withoutLiterals = (body: string): string =>
  body.replace(/"(?:[^"\\]|\\.)*"/g, '').replace(/\[(?:[^\]\\]|\\.)*\]/g, '');

/** The body of a JSON string with its closing quote. */
export const stringBodyGrammar = (): string => gbnf(String.raw`char* "\""`);

/** A GBNF expression and the rules it names. */
export interface Expression {
  readonly root: string;
  readonly rules: ReadonlyMap<string, string>;
}

/** Text of at least one character without a line break. */
export const lineExpression: Expression = { root: String.raw`[^\n]+`, rules: new Map() };

/** One JSON value of a schema; throws, naming the keyword, where the schema cannot be a grammar. */
export function jsonExpression(schema: JsonSchema): Expression {
  const rules = new Map<string, string>();
  return { root: expressionOf(schema, rules), rules };
}

/** The grammar of an expression between two fixed texts. */
export function grammarBetween(before: string, { root, rules }: Expression, after: string): string {
  const parts = [before === '' ? '' : quoteGbnf(before), root, after === '' ? '' : quoteGbnf(after)];
  return gbnf(parts.filter((part) => part !== '').join(' '), rules);
}

function expressionOf(schema: JsonSchema, rules: Map<string, string>): string {
  const refuse = (keyword: string): never => {
    throw new Error(`"${keyword}" cannot be decoded under a grammar; use decoding "free" or a simpler type`);
  };
  for (const keyword of ['$ref', 'allOf', 'not', 'patternProperties', 'prefixItems'])
    if (schema[keyword] !== undefined) refuse(keyword);
  const either = schema.anyOf ?? schema.oneOf;
  // `as` below: JSON Schema keywords have these shapes when zod wrote them.
  if (Array.isArray(either))
    return `(${(either as JsonSchema[]).map((item) => expressionOf(item, rules)).join(' | ')})`;
  if (schema.const !== undefined) return quoteGbnf(JSON.stringify(schema.const));
  if (Array.isArray(schema.enum))
    return `(${schema.enum.map((value: Json) => quoteGbnf(JSON.stringify(value))).join(' | ')})`;
  // zod writes `type: ["string", "null"]` for some of what may be null.
  if (Array.isArray(schema.type))
    return `(${schema.type.map((type: Json) => expressionOf({ ...schema, type }, rules)).join(' | ')})`;
  switch (schema.type) {
    case 'string':
    case 'integer':
    case 'number':
    case 'boolean':
    case 'null':
      return schema.type;
    case 'array':
      return arrayExpression(schema, rules);
    case 'object':
      return objectExpression(schema, rules);
    default:
      return refuse(`type: ${JSON.stringify(schema.type ?? 'any')}`);
  }
}

function arrayExpression(schema: JsonSchema, rules: Map<string, string>): string {
  const item = named(expressionOf((schema.items ?? {}) as JsonSchema, rules), rules);
  const least = typeof schema.minItems === 'number' ? schema.minItems : 0;
  const most = typeof schema.maxItems === 'number' ? schema.maxItems : undefined;
  if (most === 0) return '"[]"';
  const more = `(", " ${item}){${Math.max(least - 1, 0)},${most === undefined ? '' : most - 1}}`;
  const filled = `"[" ${item} ${more} "]"`;
  return least === 0 ? `("[]" | ${filled})` : filled;
}

function objectExpression(schema: JsonSchema, rules: Map<string, string>): string {
  const properties = Object.entries((schema.properties ?? {}) as { [name: string]: JsonSchema });
  if (properties.length === 0) {
    throw new Error(
      'an object without named properties cannot be decoded under a grammar; name them, or use decoding "free"',
    );
  }
  const members = properties.map(
    ([name, value]) => `${quoteGbnf(`${JSON.stringify(name)}: `)} ${named(expressionOf(value, rules), rules)}`,
  );
  return `"{" ${members.join(' ", " ')} "}"`;
}

/** Gives an expression a rule of its own, so that repetition and nesting stay short. */
function named(expression: string, rules: Map<string, string>): string {
  if (/^[a-z]+$/.test(expression)) return expression;
  const known = [...rules].find(([, body]) => body === expression)?.[0];
  if (known) return known;
  const name = `r${rules.size}`;
  rules.set(name, expression);
  return name;
}

/** A value with the members of its objects in the order in which the grammar of its schema has them. */
export function inGrammarOrder(value: Json, schema: JsonSchema): Json {
  if (value === null || typeof value !== 'object') return value;
  // `as` here and below: JSON Schema keywords have these shapes when zod wrote them; see canonicalJson for arrays.
  const either = [schema, ...((schema.anyOf ?? schema.oneOf ?? []) as readonly JsonSchema[])];
  if (Array.isArray(value)) {
    const items = (either.find((one) => one.items)?.items ?? {}) as JsonSchema;
    return value.map((item: Json) => inGrammarOrder(item, items));
  }
  const given = value as { readonly [name: string]: Json | undefined };
  const known = either
    .map((one) => (one.properties ?? {}) as { readonly [name: string]: JsonSchema })
    .find((properties) => Object.keys(given).every((name) => Object.hasOwn(properties, name)));
  const names = Object.keys(known ?? given).filter((name) => given[name] !== undefined);
  return Object.fromEntries(names.map((name) => [name, inGrammarOrder(given[name]!, known?.[name] ?? {})]));
}
