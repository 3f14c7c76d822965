/** A set of characters (Unicode code points) as ranges, both ends included, in order, apart from each other. */
export type CharSet = readonly (readonly [first: number, last: number])[];

const lastCodePoint = 0x10ffff;

export const everyChar: CharSet = [[0, lastCodePoint]];
/** Halves of a pair: they are no characters, and a text of characters never holds one. */
export const surrogates: CharSet = [[0xd800, 0xdfff]];

export function charsOf(...ranges: readonly (readonly [number, number])[]): CharSet {
  const merged: [number, number][] = [];
  for (const [first, last] of ranges.toSorted(([a], [b]) => a - b)) {
    const previous = merged.at(-1);
    if (previous && first <= previous[1] + 1) previous[1] = Math.max(previous[1], last);
    else merged.push([first, last]);
  }
  return merged;
}

/** The characters of a text, as a set. */
export const charsIn = (text: string): CharSet =>
  charsOf(...[...text].map((char): [number, number] => [char.codePointAt(0)!, char.codePointAt(0)!]));

export const unionOf = (...sets: readonly CharSet[]): CharSet => charsOf(...sets.flat());

export function complementOf(set: CharSet): CharSet {
  const gaps: [number, number][] = [];
  let next = 0;
  for (const [first, last] of set) {
    if (first > next) gaps.push([next, first - 1]);
    next = last + 1;
  }
  if (next <= lastCodePoint) gaps.push([next, lastCodePoint]);
  return gaps;
}

export const withoutChars = (set: CharSet, taken: CharSet): CharSet => complementOf(unionOf(complementOf(set), taken));

export const hasChar = (set: CharSet, char: number): boolean =>
  set.some(([first, last]) => first <= char && char <= last);

/** What JavaScript's `trim` takes off, and `\s` matches. */
export const blanks: CharSet = unionOf(
  charsOf([9, 13], [0x2000, 0x200a], [0x2028, 0x2029]),
  charsIn(' \u00a0\u1680\u202f\u205f\u3000\ufeff'),
);
