import type { ChatFormatName, Demo, PredictorState } from './candidate.ts';
import { ExampleFailure } from './failure.ts';
import type { Field, FieldKind, JsonSchema } from './field.ts';
import {
  grammarBetween,
  inGrammarOrder,
  jsonExpression,
  lineExpression,
  stringBodyGrammar,
  UnsupportedType,
} from './grammar.ts';
import type { Fields, Json } from './json.ts';
import type { AnswerPart, AnswerPlan, Prompt, ValueEnd } from './lm.ts';
import type { Signature, SignatureFields } from './signature.ts';

/** A place in an answer where a value stands: how it is decoded, and how a known value is written there (with the text that ends it). */
interface Slot {
  readonly field: string;
  /** Only asked for where decoding is constrained: free decoding holds types that no grammar can. */
  part(): AnswerPart;
  write(value: Json): string;
}

/** An answer as forced texts and slots in turn. The borders between them are borders between tokens, in decoding and in training rows. */
type Template = readonly (string | Slot)[];

/** A layout of calls as chat messages: how outputs are asked for, how an answer is built, and how it is read. */
interface ChatFormat {
  /** The sentences after the instructions that say what the answer looks like. */
  ask(outputs: readonly Field[]): string;
  template(outputs: readonly Field[]): Template;
  /** The value's text for each field that was found in an answer. */
  read(outputs: readonly Field[], text: string): ReadonlyMap<string, string>;
}

/** signature + predictor + inputs -> prompt. Pure, and the only way from a candidate to a model: serving and training both come through here. */
export const renderPrompt = (signature: SignatureFields, state: PredictorState, inputs: Fields): Prompt => ({
  ...promptFrame(signature, state),
  user: userText(signature, inputs),
});

/** The part of a prompt that does not depend on the inputs: the same for all calls of a predictor. */
export function promptFrame(signature: SignatureFields, state: PredictorState): Omit<Prompt, 'user'> {
  const format = formats[state.chatFormat];
  const described = signature.inputFields.filter(({ description }) => description !== '');
  const system = [
    state.instructions,
    ...described.map(({ name, description }) => `${name}: ${description}`),
    format.ask(signature.outputFields),
  ];
  return {
    system: system.filter((line) => line !== '').join('\n'),
    turns: state.demos.map((demo) => ({
      user: userText(signature, demo.inputs),
      assistant: answerText(signature, state.chatFormat, demo),
    })),
  };
}

// A grammar with patterns takes milliseconds to make, and every call needs it: remembered for as long as the fields live.
const plans = new WeakMap<readonly Field[], Map<ChatFormatName, AnswerPlan>>();

/** How the answer to a prompt of this predictor is decoded; null: freely. */
export function answerPlan(
  signature: SignatureFields,
  state: Pick<PredictorState, 'chatFormat' | 'decoding'>,
): AnswerPlan {
  if (state.decoding === 'free') return null;
  const { outputFields } = signature;
  const known = plans.get(outputFields) ?? new Map<ChatFormatName, AnswerPlan>();
  plans.set(outputFields, known);
  const plan = known.get(state.chatFormat) ?? planOf(formats[state.chatFormat].template(outputFields));
  known.set(state.chatFormat, plan);
  return plan;
}

const planOf = (template: Template): AnswerPlan =>
  template.map((item) => (typeof item === 'string' ? { type: 'text', text: item } : item.part()));

/** Which output stands in each part of the plan; null where forced text does. */
export const planFields = (
  signature: SignatureFields,
  state: Pick<PredictorState, 'chatFormat'>,
): readonly (string | null)[] =>
  formats[state.chatFormat]
    .template(signature.outputFields)
    .map((item) => (typeof item === 'string' ? null : item.field));

/** A known answer in the pieces in which this predictor would decode it. */
export function answerPieces(
  signature: SignatureFields,
  state: Pick<PredictorState, 'chatFormat' | 'decoding'>,
  outputs: Fields,
): string[] {
  const template = formats[state.chatFormat].template(signature.outputFields);
  const pieces = template.map((item) => (typeof item === 'string' ? item : item.write(outputs[item.field] ?? null)));
  return state.decoding === 'free' ? [pieces.join('')] : pieces;
}

/** Reads an answer; throws a `parse` failure that says what was expected. */
export function parseAnswer(signature: Signature, format: ChatFormatName, text: string): Fields {
  const texts = formats[format].read(signature.outputFields, text);
  const values: Record<string, Json> = {};
  for (const field of signature.outputFields) {
    const raw = texts.get(field.name);
    if (raw === undefined) throw unreadable(`no field "${field.name}"`, text);
    values[field.name] = readValue(field, raw, format);
  }
  const parsed = signature.outputs.safeParse(values);
  if (!parsed.success) {
    const issues = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
    throw unreadable(issues.join('; '), text);
  }
  // `as`: the outputs of a signature are JSON; fieldsOf refused everything else.
  return parsed.data as Fields;
}

const unreadable = (reason: string, text: string): ExampleFailure =>
  new ExampleFailure({ kind: 'parse', message: `${reason}, in the answer ${JSON.stringify(text.slice(0, 120))}` });

/** A call's own part of a prompt. One input stands alone; several are named. */
export function userText(signature: SignatureFields, inputs: Fields): string {
  const [only, ...others] = signature.inputFields;
  if (only && others.length === 0) return plainText(inputs[only.name]);
  return signature.inputFields
    .filter(({ name }) => inputs[name] !== undefined)
    .map(({ name }) => `${name}: ${plainText(inputs[name])}`)
    .join('\n');
}

const answerText = (signature: SignatureFields, format: ChatFormatName, { outputs }: Pick<Demo, 'outputs'>): string =>
  answerPieces(signature, { chatFormat: format, decoding: 'constrained' }, outputs).join('');

const plainText = (value: Json | undefined): string => (typeof value === 'string' ? value : jsonText(value ?? null));

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

function inWords(kind: FieldKind, quote: (value: Json) => string): string {
  switch (kind.type) {
    case 'choice':
      return `one of ${kind.values.map(quote).join(', ')}`;
    case 'string':
      return 'text';
    case 'number':
      return kind.integer ? 'a whole number' : 'a number';
    case 'json':
      return `JSON of this schema: ${JSON.stringify(kind.schema)}`;
  }
}

/** What stands behind a field's name in the instructions: its type, its constraints and what it means. */
function demand(field: Field, quote: (value: Json) => string): string {
  const notes = [...field.constraints, field.description].filter((note) => note !== '');
  return `${inWords(field.kind, quote)}${notes.length > 0 ? ` (${notes.join('; ')})` : ''}`;
}

/** A value's text inside a format whose strings stand bare. */
const bare = (value: Json | undefined): string =>
  typeof value === 'string' ? value.replaceAll(/\s*\n\s*/g, ' ') : jsonText(value ?? null);

function readValue(field: Field, raw: string, format: ChatFormatName): Json {
  const { kind } = field;
  if (format !== 'json') {
    if (kind.type === 'string') return raw;
    if (kind.type === 'choice') {
      // What is read has no blanks around it, so a label's own do not count.
      const found = kind.values.find((value) => bare(value).trim() === raw);
      if (found === undefined) throw unreadable(`"${field.name}" is none of its labels`, raw);
      return found;
    }
  }
  try {
    // `as`: JSON.parse returns JSON.
    return JSON.parse(raw) as Json;
  } catch (cause) {
    throw new ExampleFailure(
      { kind: 'parse', message: `"${field.name}" is not JSON: ${JSON.stringify(raw.slice(0, 120))}` },
      { cause },
    );
  }
}

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
  ask: (outputs) =>
    `Answer with a JSON object: {${outputs.map((field) => `"${field.name}": ${demand(field, jsonText)}`).join(', ')}}`,
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
  ask: ([field]) => `Answer with ${demand(field!, bare)} only.`,
  template: ([field]) => [bareSlot(field!, 'line', '', '')],
  read: ([field], text) => new Map([[field!.name, text.trim()]]),
};

/** `team: billing`, a line for each output. */
const lines: ChatFormat = {
  ask: (outputs) =>
    ['Answer with these lines:', ...outputs.map((field) => `${field.name}: ${demand(field, bare)}`)].join('\n'),
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
  ask: (outputs) =>
    [
      'Answer in this form:',
      ...outputs.flatMap((field) => [marker(field.name), `{${demand(field, bare)}}`, '']),
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

const formats: Readonly<Record<ChatFormatName, ChatFormat>> = { json, value, lines, markers };

/** Why answers of a signature cannot be laid out and decoded this way; empty when they can. */
export function formatMistakes(
  signature: SignatureFields,
  state: Pick<PredictorState, 'chatFormat' | 'decoding'>,
): string[] {
  const { outputFields } = signature;
  const layout =
    state.chatFormat === 'value' && outputFields.length !== 1
      ? [`The chat format "value" is for one output; this signature has ${outputFields.length}. Use "json" or "lines".`]
      : [];
  const labels = state.chatFormat === 'json' ? [] : outputFields.flatMap(likeLabels);
  return [...layout, ...labels, ...outputFields.flatMap((field) => decodingMistakes(signature, field, state))];
}

function decodingMistakes(
  signature: SignatureFields,
  field: Field,
  state: Pick<PredictorState, 'chatFormat' | 'decoding'>,
): string[] {
  try {
    answerPlan({ ...signature, outputFields: [field] }, state);
    return [];
  } catch (error) {
    if (!(error instanceof UnsupportedType)) throw error;
    return error.mistakes.map(({ path, message }) => `The output "${field.name}${path}": ${message}`);
  }
}

/** Labels that cannot be told apart where they stand without quotes and without the blanks around them. */
function likeLabels({ name, kind }: Field): string[] {
  if (kind.type !== 'choice') return [];
  const read = kind.values.map((value) => bare(value).trim());
  const first = read.findIndex((text, index) => read.indexOf(text) !== index);
  if (first === -1) return [];
  const pair = [kind.values[read.indexOf(read[first]!)]!, kind.values[first]!].map(jsonText).join(' and ');
  return [`The output "${name}": the labels ${pair} read the same without quotes; use the chat format "json".`];
}
