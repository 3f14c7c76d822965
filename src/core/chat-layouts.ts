import type { ChatFormatName } from './candidate.ts';
import { ExampleFailure } from './failure.ts';
import type { Field, FieldKind, JsonSchema } from './field.ts';
import { grammarBetween, inGrammarOrder, jsonExpression, lineExpression, stringBodyGrammar } from './grammar.ts';
import type { Fields, Json } from './json.ts';
import type { AnswerPart, ValueEnd } from './lm.ts';

/** A place in an answer where a value stands: how it is decoded, and how a known value is written there (with the text that ends it). */
export interface Slot {
  readonly field: string;
  /** Only asked for where decoding is constrained: free decoding holds types that no grammar can. */
  part(): AnswerPart;
  write(value: Json): string;
}

/** An answer as forced texts and slots in turn. The borders between them are borders between tokens, in decoding and in training rows. */
export type Template = readonly (string | Slot)[];

/** Whether labels are named in the prompt. */
export type LabelList = 'shown' | 'omitted';

/** A layout of calls as chat messages: how outputs are asked for, how an answer is built, and how it is read. */
export interface ChatFormat {
  /** The sentences after the instructions that say what the answer looks like. */
  ask(outputs: readonly Field[], labelList: LabelList): string;
  template(outputs: readonly Field[]): Template;
  /** The value's text for each field that was found in an answer. */
  read(outputs: readonly Field[], text: string): ReadonlyMap<string, string>;
}

export const unreadable = (reason: string, text: string): ExampleFailure =>
  new ExampleFailure({ kind: 'parse', message: `${reason}, in the answer ${JSON.stringify(text.slice(0, 120))}` });

/** JSON with a blank after `,` and `:`, as models write it and as our grammars demand. */
export function jsonText(value: Json): string {
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(jsonText).join(', ')}]`;
  // `as`: see canonicalJson.
  const members = Object.entries(value as { [key: string]: Json | undefined }).filter(
    (entry): entry is [string, Json] => entry[1] !== undefined,
  );
  return `{${members.map(([key, item]) => `${JSON.stringify(key)}: ${jsonText(item)}`).join(', ')}}`;
}

function inWords(kind: FieldKind, quote: (value: Json) => string, labelList: LabelList): string {
  switch (kind.type) {
    case 'choice':
      // Of true and false, or of numbers, nobody would say that they are labels.
      return labelList === 'omitted' && kind.values.every((label) => typeof label === 'string')
        ? 'a label'
        : `one of ${kind.values.map(quote).join(', ')}`;
    case 'string':
      return 'text';
    case 'number':
      return kind.integer ? 'a whole number' : 'a number';
    case 'json':
      return `JSON of this schema: ${JSON.stringify(kind.schema)}`;
  }
}

/** What stands behind a field's name in the instructions: its type, its constraints and what it means. */
function demand(field: Field, quote: (value: Json) => string, labelList: LabelList): string {
  const notes = [...field.constraints, field.description].filter((note) => note !== '');
  return `${inWords(field.kind, quote, labelList)}${notes.length > 0 ? ` (${notes.join('; ')})` : ''}`;
}

/** A value's text inside a format whose strings stand bare. */
export const bare = (value: Json | undefined): string =>
  typeof value === 'string' ? value.replaceAll(/\s*\n\s*/g, ' ') : jsonText(value ?? null);

/** A closed choice; `text` is how a label stands in the answer. */
function choice(field: Field, values: readonly Json[], text: (value: Json) => string): Slot {
  return { field: field.name, part: () => ({ type: 'choice', options: values.map(text) }), write: text };
}

/** A sampled value; `write` includes the text that the grammar ends with. */
function sampled(
  field: Field,
  grammar: () => string,
  end: ValueEnd,
  write: (value: Json) => string,
  schema?: JsonSchema,
): Slot {
  return {
    field: field.name,
    part: () => ({ type: 'value', grammar: grammar(), end, ...(schema ? { schema } : {}) }),
    write,
  };
}

/** `{"team": "billing", "urgent": true}` */
const json: ChatFormat = {
  ask: (outputs, labelList) =>
    `Answer with a JSON object: {${outputs.map((field) => `"${field.name}": ${demand(field, jsonText, labelList)}`).join(', ')}}`,
  template(outputs) {
    const items: (string | Slot)[] = [];
    let lead = '{';
    for (const [index, field] of outputs.entries()) {
      const { kind } = field;
      const after = index === outputs.length - 1 ? '}' : ',';
      const key = `${lead}"${field.name}": `;
      if (kind.type === 'choice' && kind.values.every((value) => typeof value === 'string')) {
        items.push(
          `${key}"`,
          choice(field, kind.values, (value) => jsonText(value).slice(1, -1)),
        );
        lead = `"${after} `;
      } else if (kind.type === 'choice') {
        items.push(key, choice(field, kind.values, jsonText));
        lead = `${after} `;
      } else if (kind.type === 'string') {
        items.push(
          `${key}"`,
          sampled(
            field,
            () => stringBodyGrammar(kind.schema),
            { kind: 'json-string' },
            (value) => jsonText(value).slice(1),
          ),
        );
        lead = `${after} `;
      } else {
        items.push(
          key,
          sampled(
            field,
            () => grammarBetween('', jsonExpression(kind.schema), after),
            { kind: 'json', after },
            (value) => structuredText(kind, value) + after,
            kind.schema,
          ),
        );
        lead = ' ';
      }
    }
    const closing = lead.trimEnd();
    return closing === '' ? items : [...items, closing];
  },
  read(outputs, text) {
    try {
      // `as`: the text between braces that parses is an object.
      const object = JSON.parse(text.slice(text.indexOf('{'), text.lastIndexOf('}') + 1)) as Fields;
      return new Map(
        outputs.flatMap(({ name }) => (object[name] === undefined ? [] : [[name, JSON.stringify(object[name])]])),
      );
    } catch (cause) {
      throw new ExampleFailure(
        { kind: 'parse', message: `no JSON object in the answer ${JSON.stringify(text.slice(0, 120))}` },
        { cause },
      );
    }
  },
};

/** The only output, bare: a quarter fewer prompt tokens than JSON. */
const value: ChatFormat = {
  ask: ([field], labelList) => `Answer with ${demand(field!, bare, labelList)} only.`,
  template: ([field]) => [bareSlot(field!, 'line', '', '')],
  read: ([field], text) => new Map([[field!.name, text.trim()]]),
};

/** `team: billing`, a line for each output. */
const lines: ChatFormat = {
  ask: (outputs, labelList) =>
    ['Answer with these lines:', ...outputs.map((field) => `${field.name}: ${demand(field, bare, labelList)}`)].join(
      '\n',
    ),
  template: (outputs) =>
    outputs.flatMap((field, index) => [
      `${field.name}:`,
      bareSlot(field, 'line', ' ', index === outputs.length - 1 ? '' : '\n'),
    ]),
  read(outputs, text) {
    const found = new Map<string, string>();
    for (const line of text.split('\n')) {
      const [, name, rest] = /^\s*(\w+):\s*(.*)$/s.exec(line) ?? [];
      if (name !== undefined && !found.has(name) && outputs.some((field) => field.name === name))
        found.set(name, rest!.trim());
    }
    return found;
  },
};

/** DSPy's layout, for programs that come from there or go there. Twice the tokens of the others. */
const markers: ChatFormat = {
  ask: (outputs, labelList) =>
    [
      'Answer in this form:',
      ...outputs.flatMap((field) => [marker(field.name), `{${demand(field, bare, labelList)}}`, '']),
      marker('completed'),
    ].join('\n'),
  template: (outputs) => [
    ...outputs.flatMap((field) => [`${marker(field.name)}\n`, bareSlot(field, 'marked-line', '', '\n\n')]),
    marker('completed'),
  ],
  read(outputs, text) {
    // Only \n breaks a line here, as everywhere else: a value may hold U+2028, which `^` with the flag m would stop at.
    const sections = text.split(/(?:^|\n)\s*\[\[ ## (\w+) ## \]\]/);
    const found = new Map<string, string>();
    for (let i = 1; i < sections.length; i += 2) {
      const name = sections[i]!;
      if (!found.has(name) && outputs.some((field) => field.name === name)) found.set(name, sections[i + 1]!.trim());
    }
    return found;
  },
};

const structuredText = (kind: FieldKind, value: Json): string =>
  jsonText(kind.type === 'json' ? inGrammarOrder(value, kind.schema) : value);

const marker = (name: string): string => `[[ ## ${name} ## ]]`;

/** A value without quotes between `before` and `after`; an empty `after` means that the model ends its turn. */
function bareSlot(field: Field, place: 'line' | 'marked-line', before: string, after: string): Slot {
  const { kind } = field;
  const write = (item: Json) => before + (kind.type === 'json' ? structuredText(kind, item) : bare(item)) + after;
  if (kind.type === 'choice') return choice(field, kind.values, write);
  const end: ValueEnd = after === '' ? { kind: 'turn' } : { kind: 'text', text: after };
  const expression = () => (kind.type === 'string' ? lineExpression(kind.schema, place) : jsonExpression(kind.schema));
  return sampled(field, () => grammarBetween(before, expression(), after), end, write);
}

export const formats: Readonly<Record<ChatFormatName, ChatFormat>> = { json, value, lines, markers };
