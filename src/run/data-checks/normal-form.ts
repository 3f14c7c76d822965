import { canonicalJson, type Fields, type Json } from '../../core/json.ts';

/** Inputs without what rewording by case and punctuation changes. */
export interface NormalForm {
  /** Equal for inputs that differ in case and punctuation only. */
  readonly key: string;
  /** Each input's words, in the order of the inputs' names. */
  readonly texts: readonly string[];
  /** All numbers: inputs with other numbers are other questions, however alike their words are. */
  readonly numbers: string;
}

export function normalForm(inputs: Fields): NormalForm {
  const names = Object.keys(inputs).toSorted();
  const words = names.map((name) => wordsOf(textOf(inputs[name]!)));
  const texts = words.map((list) => list.join(' '));
  const numbers = words.map((list) => list.filter((word) => /\p{N}/u.test(word)).join(' ')).join('\n');
  return { key: names.map((name, index) => `${name}\t${texts[index]}`).join('\n'), texts, numbers };
}

const textOf = (value: Json): string => (typeof value === 'string' ? value : canonicalJson(value));

// Punctuation says nothing, signs before a number do: "20 + 5" is not "20 - 5", and 5.5 is not 55.
const word = /\p{N}+(?:[.,]\p{N}+)*|[\p{L}\p{M}\p{N}]+|[\p{S}\p{Pd}*/%](?=\s*\p{N})/gu;

/** A text of punctuation alone is its own word. */
function wordsOf(text: string): string[] {
  const folded = text.normalize('NFKC').toLowerCase().replaceAll(/['’]/g, '');
  return folded.match(word) ?? (folded.trim() === '' ? [] : [folded.trim()]);
}
