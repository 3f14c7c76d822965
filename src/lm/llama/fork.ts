import type { CompiledChoice, Vocabulary } from './compiled-plan.ts';
import type { Beginning } from './token-texts.ts';

/** A token that may come next, how much of the options' text it is, and which options it leaves open. */
export interface Way {
  readonly token: number;
  readonly length: number;
  readonly open: readonly number[];
}

/** Where a choice stands: which options are open, how much of their text is written, and in which tokens. */
export interface Place {
  readonly open: readonly number[];
  readonly written: number;
  readonly tokens: readonly number[];
}

/**
 * Every token with which one of the open options can go on, in whatever way its text is cut: what a grammar of the options would allow. An
 * option that is written goes on with what follows it.
 */
export function waysOn(part: CompiledChoice, place: Place, vocabulary: Vocabulary): Way[] {
  const ways = new Map<number, { length: number; open: number[] }>();
  for (const option of place.open) {
    for (const { token, length } of nextTokens(part, option, place, vocabulary)) {
      const way = ways.get(token);
      if (way) way.open.push(option);
      else ways.set(token, { length, open: [option] });
    }
  }
  return [...ways].map(([token, way]) => ({ token, ...way }));
}

function nextTokens(part: CompiledChoice, option: number, place: Place, vocabulary: Vocabulary): readonly Beginning[] {
  const { options, paths, follower, isSpelled } = part;
  const { written, tokens } = place;
  if (!isSpelled) return [...paths[option]!, ...follower].slice(tokens.length, tokens.length + 1).map(unwritten);
  const rest = options[option]!.slice(written);
  return rest === '' ? follower.map(unwritten) : vocabulary.beginnings(rest);
}

const unwritten = (token: number): Beginning => ({ token, length: 0 });

/** The token that the open options' own tokens all have next, where they are written in these; else null. */
export function commonToken({ paths }: CompiledChoice, { open, tokens }: Place): number | null {
  const [first, ...others] = open.map((option) => paths[option]!);
  const next = first![tokens.length];
  const isOwn = tokens.every((token, index) => token === first![index]);
  return next !== undefined && isOwn && others.every((path) => path[tokens.length] === next) ? next : null;
}
