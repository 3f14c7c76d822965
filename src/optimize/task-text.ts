import type { Field } from '../core/field.ts';
import { canonicalJson, type Fields, type Json } from '../core/json.ts';
import type { Signature } from '../core/signature.ts';

/** What a predictor is given and what it has to answer, in words for a prompt model. */
export const taskText = ({ inputFields, outputFields }: Signature): string =>
  `It is given ${inputFields.map(described).join(', ')}; it answers with ${outputFields.map(described).join(', ')}.`;

function described({ name, description, kind }: Field): string {
  const labels = kind.type === 'choice' ? `one of ${kind.values.map(String).join(', ')}` : '';
  const notes = [description, labels].filter((note) => note !== '').join('; ');
  return notes === '' ? name : `${name} (${notes})`;
}

/** Values with their names, a line each; fields that are not known are left out. */
export const fieldLines = (fields: readonly Field[], values: Fields): string =>
  fields
    .filter(({ name }) => values[name] !== undefined)
    .map(({ name }) => `${name}: ${typeof values[name] === 'string' ? values[name] : JSON.stringify(values[name])}`)
    .join('\n');

/** Values with their names, on one line: as a prompt model is shown what went into a call and came out of it. */
export const fieldsText = (fields: Fields): string =>
  Object.entries(fields)
    .map(([name, value]) => `${name}: ${valueText(value)}`)
    .join(', ');

// Six long values, as three examples or three calls have them, then take about 800 tokens.
const longestValue = 400;

/** A value on one line, cut off where it is long. */
export function valueText(value: Json): string {
  const text = typeof value === 'string' ? value : canonicalJson(value);
  const characters = [...text.trim().replaceAll(/\r?\n/g, '\\n')];
  return characters.slice(0, longestValue).join('') + (characters.length > longestValue ? '…' : '');
}
