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
