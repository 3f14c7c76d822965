import {
  blanks,
  type CharSet,
  charsIn,
  charsOf,
  complementOf,
  everyChar,
  hasChar,
  unionOf,
  withoutChars,
} from './char-set.ts';
import type { Language, Languages } from './language.ts';

// A pattern of JavaScript, read by recursive descent into a tree, and turned into the language of the texts in which it is found.

type Node =
  | { readonly type: 'chars'; readonly set: CharSet }
  | { readonly type: 'sequence' | 'choice'; readonly of: readonly Node[] }
  | { readonly type: 'repeat'; readonly of: Node; readonly least: number; readonly most: number }
  | { readonly type: 'start' | 'end' }
  | { readonly type: 'ahead'; readonly of: Node; readonly negated: boolean };

/** What a pattern holds that no grammar can say; the message is its name. */
export class UnsupportedPattern extends Error {}

const unsupported = (name: string): never => {
  throw new UnsupportedPattern(name);
};

/**
 * The texts that `new RegExp(source, flags).test` accepts. Lookahead is understood, at any place that is not repeated; throws
 * `UnsupportedPattern` for lookbehind, backreferences, word borders, Unicode properties and the flags m, v and y.
 * Without the flag u JavaScript counts a character beyond U+FFFF as two: then none is among the texts, except where any number may stand.
 */
export function patternLanguage(source: string, flags: string, make: Languages): Language {
  for (const flag of flags) if (!'gdisu'.includes(flag)) unsupported(`the flag ${flag}`);
  return searched(parsePattern(source, flags), make);
}

/** A pattern is searched for: what stands around it is free, unless it is anchored. */
function searched(tree: Node, make: Languages): Language {
  const anyChars = make.repeat(make.chars(everyChar), 1);
  const atStart = languageOf(tree, make.anything, true, make);
  return make.either(atStart, make.sequence(anyChars, languageOf(tree, make.anything, false, make)));
}

/** A node and all that follows it, which anchors and lookaheads speak about. */
function languageOf(node: Node, rest: Language, isAtStart: boolean, make: Languages): Language {
  switch (node.type) {
    case 'chars':
      return make.sequence(make.chars(node.set), rest);
    case 'choice':
      return make.either(...node.of.map((one) => languageOf(one, rest, isAtStart, make)));
    case 'start':
      return isAtStart ? rest : make.none;
    case 'end':
      return make.both(make.empty, rest);
    case 'ahead': {
      const seen = languageOf(node.of, make.anything, isAtStart, make);
      return make.both(node.negated ? make.not(seen) : seen, rest);
    }
    case 'sequence':
      return sequenceOf(node.of, rest, isAtStart, make);
    case 'repeat':
      if (node.most === 1 && node.least === 0) return make.either(languageOf(node.of, rest, isAtStart, make), rest);
      if (isZeroWidthIn(node.of)) unsupported('an anchor or a lookahead that is repeated');
      return make.sequence(make.repeat(languageOf(node.of, make.empty, false, make), node.least, node.most), rest);
  }
}

function sequenceOf(nodes: readonly Node[], rest: Language, isAtStart: boolean, make: Languages): Language {
  const [first, ...others] = nodes;
  if (!first) return rest;
  const staysAtStart = isAtStart && ['start', 'end', 'ahead'].includes(first.type);
  if (isAtStart && !staysAtStart && others.some(hasStart)) unsupported('^ behind other characters');
  return languageOf(first, sequenceOf(others, rest, staysAtStart, make), isAtStart, make);
}

const childrenOf = (node: Node): readonly Node[] => (!('of' in node) ? [] : 'type' in node.of ? [node.of] : node.of);
const hasStart = (node: Node): boolean => node.type === 'start' || childrenOf(node).some(hasStart);
const isZeroWidthIn = (node: Node): boolean =>
  ['start', 'end', 'ahead'].includes(node.type) || childrenOf(node).some(isZeroWidthIn);

const digits = charsOf([48, 57]);
const words = unionOf(digits, charsOf([65, 90], [97, 122]), charsIn('_'));
const lineBreaks = charsIn('\n\r\u2028\u2029');
const escapedSets: { readonly [letter: string]: CharSet } = {
  d: digits,
  D: complementOf(digits),
  w: words,
  W: complementOf(words),
  s: blanks,
  S: complementOf(blanks),
};
const escapedChars: { readonly [letter: string]: string } = { n: '\n', r: '\r', t: '\t', v: '\v', f: '\f', '0': '\0' };

/** Reads a pattern from left to right; `at` is where it stands. */
function parsePattern(source: string, flags: string): Node {
  const isUnicode = flags.includes('u');
  let at = 0;
  const next = (): string => String.fromCodePoint(source.codePointAt(at) ?? 0);
  const takes = (text: string): boolean => {
    const found = source.startsWith(text, at);
    if (found) at += text.length;
    return found;
  };
  const take = (): string => {
    if (at >= source.length) unsupported('a pattern that is cut off');
    const char = next();
    if (char.length > 1 && !isUnicode) unsupported(`${char} without the flag u`);
    at += char.length;
    return char;
  };

  function choice(): Node {
    const options = [sequence()];
    while (takes('|')) options.push(sequence());
    return options.length === 1 ? options[0]! : { type: 'choice', of: options };
  }

  function sequence(): Node {
    const items: Node[] = [];
    while (at < source.length && source[at] !== '|' && source[at] !== ')') items.push(repeated(atom()));
    return { type: 'sequence', of: items };
  }

  function repeated(of: Node): Node {
    const counts = /^(?:([*+?])|\{(\d+)(,?)(\d*)\})\??/.exec(source.slice(at));
    if (!counts) return of;
    at += counts[0].length;
    const [, sign, least, comma, most] = counts;
    if (sign) return repeatOf(of, sign === '+' ? 1 : 0, sign === '?' ? 1 : Number.POSITIVE_INFINITY);
    return repeatOf(of, Number(least), most ? Number(most) : comma ? Number.POSITIVE_INFINITY : Number(least));
  }

  /** Without the flag u two halves of a pair are two characters: only where any number is allowed may they be one. */
  function repeatOf(of: Node, least: number, most: number): Node {
    const isAnyNumber = least <= 1 && most === Number.POSITIVE_INFINITY;
    if (isAnyNumber && of.type === 'chars' && hasChar(of.set, 0xd800) && hasChar(of.set, 0xdfff))
      return { type: 'repeat', of: { type: 'chars', set: unionOf(of.set, charsOf([0x10000, 0x10ffff])) }, least, most };
    return { type: 'repeat', of, least, most };
  }

  function atom(): Node {
    if (takes('^')) return { type: 'start' };
    if (takes('$')) return { type: 'end' };
    if (takes('(')) return group();
    if (takes('[')) return { type: 'chars', set: charClass() };
    if (takes('.')) return { type: 'chars', set: whole(flags.includes('s') ? everyChar : complementOf(lineBreaks)) };
    if (takes('\\')) return escapeSequence();
    return { type: 'chars', set: folded(charsIn(take())) };
  }

  function group(): Node {
    if (/^\?<[=!]/.test(source.slice(at))) unsupported('lookbehind');
    const negated = source.startsWith('?!', at);
    const isAhead = takes('?=') || takes('?!');
    if (!isAhead && !takes('?:') && source[at] === '?') {
      const name =
        /^\?<[^>]*>/.exec(source.slice(at))?.[0] ??
        unsupported(`a group that begins with (${source.slice(at, at + 3)}`);
      at += name.length;
    }
    const of = choice();
    if (!takes(')')) unsupported('a group that is not closed');
    return isAhead ? { type: 'ahead', of, negated } : of;
  }

  function escapeSequence(): Node {
    const letter = next();
    if (/[bB]/.test(letter)) unsupported(`the word border \\${letter}`);
    if (/[1-9k]/.test(letter)) unsupported(`the backreference \\${letter}`);
    return { type: 'chars', set: escaped() };
  }

  /** What stands behind a backslash, inside of a class and outside. */
  function escaped(): CharSet {
    const letter = take();
    if (/[pP]/.test(letter) && isUnicode) unsupported(`the Unicode property \\${letter}`);
    const set = escapedSets[letter];
    if (set) return whole(set);
    return folded(charsIn(escapedChars[letter] ?? coded(letter)));
  }

  function coded(letter: string): string {
    const code = (/^[ux]/.test(letter) && codePattern(letter).exec(source.slice(at))) || null;
    if (code) {
      at += code[0].length;
      return String.fromCodePoint(Number.parseInt(code[0].replaceAll(/[{}]/g, ''), 16));
    }
    if (/[A-Za-z1-9]/.test(letter)) unsupported(`the escape \\${letter}`);
    return letter;
  }

  const codePattern = (letter: string): RegExp => {
    if (letter === 'x') return /^[\da-f]{2}/i;
    return isUnicode ? /^(?:[\da-f]{4}|\{[\da-f]+\})/i : /^[\da-f]{4}/i;
  };

  function charClass(): CharSet {
    const negated = takes('^');
    let set: CharSet = [];
    while (!takes(']')) {
      const first = classItem();
      const isRange = source[at] === '-' && source[at + 1] !== ']' && takes('-');
      set = unionOf(set, isRange ? range(first, classItem()) : first);
    }
    return whole(negated ? complementOf(folded(set)) : folded(set));
  }

  const classItem = (): CharSet => {
    if (!takes('\\')) return charsIn(take());
    return takes('b') ? charsIn('\b') : escaped();
  };

  function range(from: CharSet, to: CharSet): CharSet {
    const [[first, last] = [0, -1]] = from;
    const [[start, end] = [0, -1]] = to;
    if (first !== last || start !== end || first > end) return unsupported('a range between sets of characters');
    return charsOf([first, end]);
  }

  /** Without the flag u a character is a half of a pair at most, and a pair is not one character. */
  const whole = (set: CharSet): CharSet => (isUnicode ? set : withoutChars(set, charsOf([0x10000, 0x10ffff])));

  const folded = (set: CharSet): CharSet => (flags.includes('i') ? bothCases(set) : set);

  const tree = choice();
  if (at < source.length) unsupported(`"${source.slice(at, at + 1)}" without its partner`);
  return tree;
}

/** Letters beyond these are taken as they are written. */
const lastFolded = 0x24f;

function bothCases(set: CharSet): CharSet {
  const letters = Array.from({ length: lastFolded + 1 }, (_, code) => String.fromCharCode(code));
  const partners = letters.filter((letter) =>
    [letter.toUpperCase(), letter.toLowerCase()].some(
      (other) => other.length === 1 && hasChar(set, other.charCodeAt(0)),
    ),
  );
  return unionOf(set, charsIn(partners.join('')));
}
