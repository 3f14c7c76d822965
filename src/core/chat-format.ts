import type { ChatFormatName, Demo, PredictorState } from './candidate.ts';
import { bare, formats, jsonText, type Template, unreadable } from './chat-layouts.ts';
import { ExampleFailure } from './failure.ts';
import type { Field } from './field.ts';
import { UnsupportedType } from './grammar.ts';
import type { Fields, Json } from './json.ts';
import type { AnswerPlan, Prompt } from './lm.ts';
import type { Signature, SignatureFields } from './signature.ts';

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
    format.ask(signature.outputFields, state.labelList ?? 'shown'),
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
