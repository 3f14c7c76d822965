/** A token that a text may begin with, and how much of the text it takes. */
export interface Beginning {
  readonly token: number;
  readonly length: number;
}

/**
 * Finds all tokens whose text is the beginning of a given one. Tokens that are only a part of a character are left out. The index is made
 * when it is first asked.
 */
export function tokenTexts(tokens: Iterable<number>, textOf: (token: number) => string) {
  let index: { readonly byText: ReadonlyMap<string, readonly number[]>; readonly longest: number } | null = null;
  const makeIndex = () => {
    const byText = new Map<string, number[]>();
    for (const token of tokens) {
      const text = textOf(token);
      if (text === '' || text.includes('\uFFFD')) continue;
      byText.set(text, [...(byText.get(text) ?? []), token]);
    }
    return { byText, longest: [...byText.keys()].reduce((most, { length }) => Math.max(most, length), 0) };
  };
  return (text: string): readonly Beginning[] => {
    index ??= makeIndex();
    const { byText, longest } = index;
    return Array.from({ length: Math.min(text.length, longest) }, (_, end) => end + 1).flatMap((length) =>
      (byText.get(text.slice(0, length)) ?? []).map((token) => ({ token, length })),
    );
  };
}

// A character has four bytes at most, each of them a token at worst.
const longestCharacter = 4;
// How many tokens back what is written may depend on, which is the blank at the beginning of sentencepiece's words.
const reach = 4;

/**
 * The text of each token of sequences that follow one another. Of several tokens that make one character the last has it, but no character
 * crosses the border between two sequences.
 */
export function textsOf(
  sequences: readonly (readonly number[])[],
  textBehind: (ids: readonly number[], before: readonly number[]) => string,
): string[] {
  const ids = sequences.flat();
  const texts: string[] = [];
  for (const sequence of sequences) {
    const end = texts.length + sequence.length;
    let start = texts.length;
    while (texts.length < end) {
      const next = texts.length + 1;
      const text = textBehind(ids.slice(start, next), ids.slice(Math.max(0, start - reach), start));
      const isPart = text.endsWith('\uFFFD') && next < end && next - start < longestCharacter;
      texts.push(isPart ? '' : text);
      if (!isPart) start = next;
    }
  }
  return texts;
}
