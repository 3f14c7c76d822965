import { type CharSet, charsOf, everyChar, hasChar, unionOf } from './char-set.ts';

// Regular languages as values, by Brzozowski's derivatives (Journal of the ACM 11, 1964): unlike the grammars of llama.cpp they can be
// intersected and complemented, which is what a pattern together with a length, a second pattern or a lookahead needs.

/** A set of texts. Equal ones made by one `languages()` are mostly the same object; `id` tells them apart. */
export interface Language {
  readonly id: number;
  readonly shape: Shape;
  /** Whether the empty text is one of them. */
  readonly hasEmpty: boolean;
}

type Shape =
  | { readonly type: 'none' }
  | { readonly type: 'empty' }
  | { readonly type: 'chars'; readonly set: CharSet }
  | { readonly type: 'sequence'; readonly first: Language; readonly then: Language }
  | { readonly type: 'either' | 'both'; readonly of: readonly Language[] }
  | { readonly type: 'not'; readonly of: Language }
  | { readonly type: 'repeat'; readonly of: Language; readonly least: number; readonly most: number };

export type Languages = ReturnType<typeof languages>;

/** Makers of languages, which know each other's results. */
export function languages() {
  const known = new Map<string, Language>();
  const make = (key: string, hasEmpty: boolean, shape: Shape): Language => {
    const found = known.get(key) ?? { id: known.size, shape, hasEmpty };
    known.set(key, found);
    return found;
  };
  const none = make('none', false, { type: 'none' });
  const empty = make('empty', true, { type: 'empty' });
  const chars = (set: CharSet): Language =>
    set.length === 0 ? none : make(`[${set.join(';')}]`, false, { type: 'chars', set });

  function sequence(...parts: readonly Language[]): Language {
    return parts.reduceRight((then, first): Language => {
      if (first === none || then === none) return none;
      if (first === empty) return then;
      if (then === empty) return first;
      if (first.shape.type === 'sequence') return sequence(first.shape.first, first.shape.then, then);
      return make(`${first.id}.${then.id}`, first.hasEmpty && then.hasEmpty, { type: 'sequence', first, then });
    }, empty);
  }

  function repeat(of: Language, least = 0, most = Number.POSITIVE_INFINITY): Language {
    if (most < least) return none;
    if (most === 0 || of === empty) return empty;
    if (of === none) return least === 0 ? empty : none;
    if (least === 1 && most === 1) return of;
    const needed = of.hasEmpty ? 0 : least;
    return make(`${of.id}{${needed},${most}}`, needed === 0, { type: 'repeat', of, least: needed, most });
  }

  const anything = repeat(chars(everyChar));

  /** Flat, sorted and without repetition, so that the same members in another order are the same language. */
  const membersOf = (type: 'either' | 'both', given: readonly Language[]): Language[] => {
    const flat = given.flatMap((one) => (one.shape.type === type ? one.shape.of : [one]));
    return [...new Set(flat)].sort((a, b) => a.id - b.id);
  };

  function either(...given: readonly Language[]): Language {
    const members = membersOf('either', given).filter((one) => one !== none);
    if (members.includes(anything)) return anything;
    const sets = members.flatMap(({ shape }) => (shape.type === 'chars' ? [shape.set] : []));
    if (sets.length > 1)
      return either(chars(unionOf(...sets)), ...members.filter(({ shape }) => shape.type !== 'chars'));
    if (members.length < 2) return members[0] ?? none;
    const hasEmpty = members.some((one) => one.hasEmpty);
    return make(`|${members.map(({ id }) => id)}`, hasEmpty, { type: 'either', of: members });
  }

  function both(...given: readonly Language[]): Language {
    const members = membersOf('both', given).filter((one) => one !== anything);
    if (members.includes(none)) return none;
    if (members.length < 2) return members[0] ?? anything;
    const hasEmpty = members.every((one) => one.hasEmpty);
    return make(`&${members.map(({ id }) => id)}`, hasEmpty, { type: 'both', of: members });
  }

  function not(of: Language): Language {
    if (of.shape.type === 'not') return of.shape.of;
    if (of === none) return anything;
    return of === anything ? none : make(`!${of.id}`, !of.hasEmpty, { type: 'not', of });
  }

  /** What may follow this character. */
  function after(char: number, { shape }: Language): Language {
    switch (shape.type) {
      case 'none':
      case 'empty':
        return none;
      case 'chars':
        return hasChar(shape.set, char) ? empty : none;
      case 'sequence': {
        const inFirst = sequence(after(char, shape.first), shape.then);
        return shape.first.hasEmpty ? either(inFirst, after(char, shape.then)) : inFirst;
      }
      case 'either':
        return either(...shape.of.map((one) => after(char, one)));
      case 'both':
        return both(...shape.of.map((one) => after(char, one)));
      case 'not':
        return not(after(char, shape.of));
      case 'repeat':
        return sequence(after(char, shape.of), repeat(shape.of, Math.max(shape.least - 1, 0), shape.most - 1));
    }
  }

  return { none, empty, anything, chars, sequence, repeat, either, both, not, after };
}

/** A way to read texts one character at a time; the first state is the start, and from each one a text can be completed. */
export type Automaton = readonly State[];

interface State {
  /** Whether a text may end here. */
  readonly final: boolean;
  readonly edges: readonly { readonly chars: CharSet; readonly to: number }[];
}

/** The automaton of a language; null when it needs more states than that. No states: the language has no text. */
export function automatonOf(
  language: Language,
  { after }: Pick<Languages, 'after'>,
  mostStates: number,
): Automaton | null {
  const kinds = kindsOfChars(language);
  const numbers = new Map<Language, number>([[language, 0]]);
  const states: State[] = [];
  // A Map grows while it is walked.
  for (const from of numbers.keys()) {
    const sets = new Map<number, CharSet[]>();
    for (const kind of kinds) {
      const to = after(kind[0]![0], from);
      if (to.shape.type === 'none') continue;
      if (!numbers.has(to)) numbers.set(to, numbers.size);
      const number = numbers.get(to)!;
      sets.set(number, [...(sets.get(number) ?? []), kind]);
    }
    if (numbers.size > mostStates) return null;
    states.push({ final: from.hasEmpty, edges: [...sets].map(([to, parts]) => ({ chars: unionOf(...parts), to })) });
  }
  return withoutDeadEnds(states);
}

/** Every character of a set behaves like every other of it, anywhere in the language. */
function kindsOfChars(language: Language): CharSet[] {
  const sets = setsIn(language, new Set());
  const starts = new Set([0, ...sets.flatMap((set) => set.flatMap(([first, last]) => [first, last + 1]))]);
  const cuts = [...starts].filter((start) => start <= everyChar[0]![1]).sort((a, b) => a - b);
  const kinds = new Map<string, [number, number][]>();
  for (const [index, first] of cuts.entries()) {
    const key = sets.map((set) => (hasChar(set, first) ? '1' : '0')).join('');
    const last = (cuts[index + 1] ?? everyChar[0]![1] + 1) - 1;
    kinds.set(key, [...(kinds.get(key) ?? []), [first, last]]);
  }
  return [...kinds.values()].map((ranges) => charsOf(...ranges));
}

function setsIn(language: Language, seen: Set<Language>): CharSet[] {
  if (seen.has(language)) return [];
  seen.add(language);
  const { shape } = language;
  if (shape.type === 'chars') return [shape.set];
  if (shape.type === 'sequence') return [...setsIn(shape.first, seen), ...setsIn(shape.then, seen)];
  if (shape.type === 'either' || shape.type === 'both') return shape.of.flatMap((one) => setsIn(one, seen));
  return shape.type === 'not' || shape.type === 'repeat' ? setsIn(shape.of, seen) : [];
}

function withoutDeadEnds(states: Automaton): Automaton {
  const sources = states.map((): number[] => []);
  for (const [from, { edges }] of states.entries()) for (const { to } of edges) sources[to]!.push(from);
  const alive = new Set(states.flatMap(({ final }, number) => (final ? [number] : [])));
  for (const number of alive) for (const source of sources[number]!) alive.add(source);
  if (!alive.has(0)) return [];
  const order = [...states.keys()].filter((number) => alive.has(number));
  const renumbered = new Map(order.map((number, index) => [number, index]));
  return order.map((number) => ({
    final: states[number]!.final,
    edges: states[number]!.edges.filter(({ to }) => alive.has(to)).map(({ chars, to }) => ({
      chars,
      to: renumbered.get(to)!,
    })),
  }));
}
