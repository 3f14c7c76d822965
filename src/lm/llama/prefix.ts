/**
 * Leading tokens that several prompts share, declared by the renderer: where a prompt is split into evaluated pieces follows from the
 * request alone. Equal keys, equal tokens. `parent` is a shorter prefix of them, shared by more prompts and evaluated before.
 */
export interface Prefix {
  readonly key: string;
  readonly ids: readonly number[];
  readonly parent: Prefix | null;
}

export const noPrefix: Prefix = { key: '', ids: [], parent: null };

/** Leading tokens as a prefix; the shorter one itself when they add nothing to it. */
export function extendPrefix(parent: Prefix | null, ids: readonly number[]): Prefix {
  if (ids.length === (parent?.ids.length ?? 0)) return parent ?? noPrefix;
  return { key: ids.join(' '), ids, parent: parent === null || parent.ids.length === 0 ? null : parent };
}

/** From the shortest to the prefix itself: the pieces in which it is evaluated. */
export function pieces(prefix: Prefix): readonly Prefix[] {
  const shorter = prefix.parent ? pieces(prefix.parent) : [];
  return prefix.ids.length === 0 ? shorter : [...shorter, prefix];
}

/** The longest of the pieces of `prefix` that is a piece of `other` too. */
export function commonPiece(prefix: Prefix, other: Prefix): Prefix | null {
  const known = new Set(pieces(other).map(({ key }) => key));
  return pieces(prefix).findLast(({ key }) => known.has(key)) ?? null;
}
