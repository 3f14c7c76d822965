import {
  blanks,
  type CharSet,
  charsIn,
  charsOf,
  complementOf,
  everyChar,
  surrogates,
  withoutChars,
} from './char-set.ts';
import type { JsonSchema } from './field.ts';
import { type Automaton, automatonOf, type Language, type Languages, languages } from './language.ts';
import { patternLanguage, UnsupportedPattern } from './pattern.ts';

// Texts as GBNF. A length alone is a repetition; a pattern, or a text without quotes, becomes an automaton whose states are rules: each
// text has one path through it, where a pattern taken over as it stands can cost llama.cpp a stack for every way to read it.

/** How a text stands in an answer: inside of a JSON string, or bare on a line, where DSPy's markers must not be taken for its own. */
export type TextPlace = 'json' | 'line' | 'marked-line';

/** What a text's schema asks for that no grammar can say: the keyword and why. */
export class UnsupportedText extends Error {}

/** 4,000 rules are 110 kB of grammar (docs/log.md has what they cost). */
const mostStates = 4000;
/** llama.cpp refuses more at once; several behind each other are one more stack each. */
const longestRepetition = 2000;
const longestText = 10_000;

// Sets are written as what is in them, never as what is not: a model that writes single bytes also writes what is no UTF-8, llama.cpp
// reads that as a number beyond the last character, and in our text it would be several.
const raw = String.raw`[\x20-\x21\x23-\x5b\x5d-\ud7ff\ue000-\U0010ffff]`;

/** A rule for any character of a JSON string, and one for a character that counts as one. */
export const textRules = {
  char: String.raw`${raw} | "\\" (["\\bfnrt] | "u" [0-9a-fA-F]{4})`,
  single: String.raw`${raw} | "\\" (["\\bfnrt] | "u00" [01] [0-9a-fA-F])`,
};

/** The rules of a text, the first of them its own, under names that begin with `name`; a text without bounds has none. */
export function textExpression(
  schema: JsonSchema,
  place: TextPlace,
  name: string,
): { root: string; rules: [string, string][] } {
  const { least, most } = lengthOf(schema);
  const patterns = patternsOf(schema);
  if (place === 'json' && patterns.length === 0) return { root: counted(least, most), rules: [] };
  if (place === 'line' && patterns.length === 0 && least === 0 && most === null)
    return { root: String.raw`[^\n]+`, rules: [] };
  const make = languages();
  const language = make.both(
    make.repeat(make.chars(complementOf(surrogates)), least, most ?? Number.POSITIVE_INFINITY),
    ...patterns.map(({ source, flags }) => readPattern(source, flags, make)),
    ...(place === 'json' ? [] : lineLanguages(place, make)),
  );
  const automaton = automatonOf(language, make, mostStates);
  if (automaton === null)
    throw new UnsupportedText(`${boundsIn(schema)} (it would need more than ${mostStates} rules)`);
  if (automaton.length === 0)
    throw new UnsupportedText(`${boundsIn(schema)} (no ${place === 'json' ? 'text' : 'line'} meets it)`);
  return { root: `${name}-0`, rules: automatonRules(automaton, place, name) };
}

/** A JSON string body of so many characters. */
function counted(least: number, most: number | null): string {
  if (least === 0 && most === null) return 'char*';
  if (most !== null && most < least) throw new UnsupportedText('"maxLength" below "minLength"');
  if (Math.max(least, most ?? 0) > longestText)
    throw new UnsupportedText(`"${most === null ? 'minLength' : 'maxLength'}" above ${longestText}`);
  const needed = chunks(least).map((count) => `single{${count}}`);
  const optional = most === null ? ['single*'] : chunks(most - least).map((count) => `single{0,${count}}`);
  const parts = [...needed, ...optional];
  return parts.length === 0 ? '""' : parts.join(' ');
}

const chunks = (count: number): number[] =>
  Array.from({ length: Math.ceil(count / longestRepetition) }, (_, index) =>
    Math.min(longestRepetition, count - index * longestRepetition),
  );

function lengthOf({ minLength, maxLength }: JsonSchema): { least: number; most: number | null } {
  return {
    least: typeof minLength === 'number' ? minLength : 0,
    most: typeof maxLength === 'number' ? maxLength : null,
  };
}

function patternsOf({ pattern, patternFlags, allOf }: JsonSchema): { source: string; flags: string }[] {
  // `as`: zod writes more than one pattern this way.
  const others = ((allOf ?? []) as readonly JsonSchema[]).flatMap(patternsOf);
  if (typeof pattern !== 'string') return others;
  return [{ source: pattern, flags: typeof patternFlags === 'string' ? patternFlags : '' }, ...others];
}

const boundsIn = (schema: JsonSchema): string =>
  ['minLength', 'maxLength', 'pattern', 'allOf']
    .filter((keyword) => schema[keyword] !== undefined)
    .map((keyword) => `"${keyword}"`)
    .join(' with ') || '"type: string"';

function readPattern(source: string, flags: string, make: Languages): Language {
  try {
    return patternLanguage(source, flags, make);
  } catch (error) {
    if (!(error instanceof UnsupportedPattern)) throw error;
    throw new UnsupportedText(`"pattern" with ${error.message}`);
  }
}

/** A line without blanks around it, of at least one character: what a bare text is read back as. */
function lineLanguages(place: TextPlace, make: Languages): Language[] {
  const inside = make.chars(withoutChars(everyChar, charsIn('\n')));
  const solid = make.chars(withoutChars(everyChar, blanks));
  const trimmed = make.either(solid, make.sequence(solid, make.repeat(inside), solid));
  const marker = make.sequence(...[...'[[ ## '].map((char) => make.chars(charsIn(char))), make.anything);
  return place === 'line' ? [trimmed] : [trimmed, make.not(marker)];
}

function automatonRules(automaton: Automaton, place: TextPlace, name: string): [string, string][] {
  return automaton.map(({ final, edges }, number): [string, string] => {
    const options = edges.flatMap(({ chars, to }) =>
      (place === 'json' ? jsonChars(chars) : [charClass(chars)]).map((written) =>
        automaton[to]!.edges.length === 0 ? written : `${written} ${name}-${to}`,
      ),
    );
    const all = options.join(' | ');
    if (options.length === 0) return [`${name}-${number}`, '""'];
    return [`${name}-${number}`, final ? `(${all})?` : all];
  });
}

const quoted = charsIn('"\\');
const controls = charsOf([0, 0x1f]);

/** Characters as JSON.stringify writes them. */
function jsonChars(set: CharSet): string[] {
  const raw = withoutChars(set, [...controls, ...quoted]);
  const escaped = Array.from({ length: 0x5d }, (_, code) => String.fromCharCode(code))
    .filter((char) => JSON.stringify(char).length > 3)
    .filter((char) => set.some(([first, last]) => first <= char.charCodeAt(0) && char.charCodeAt(0) <= last))
    .map((char) => JSON.stringify(JSON.stringify(char).slice(1, -1)));
  return [
    ...(raw.length === 0 ? [] : [charClass(raw)]),
    ...(escaped.length < 2 ? escaped : [`(${escaped.join(' | ')})`]),
  ];
}

const charClass = (set: CharSet): string =>
  `[${set.map(([first, last]) => (first === last ? classChar(first) : `${classChar(first)}-${classChar(last)}`)).join('')}]`;

function classChar(code: number): string {
  const char = String.fromCodePoint(code);
  if (/[A-Za-z0-9]/.test(char)) return char;
  const digits = code.toString(16);
  if (code <= 0xff) return `\\x${digits.padStart(2, '0')}`;
  return code <= 0xffff ? `\\u${digits.padStart(4, '0')}` : `\\U${digits.padStart(8, '0')}`;
}
