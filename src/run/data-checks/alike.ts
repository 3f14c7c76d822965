/** Two places in a list, and the share of parts that the texts there have in common. */
export interface AlikePair {
  readonly first: number;
  readonly second: number;
  readonly likeness: number;
}

/** What is compared: texts by position; only rows of one group can be alike. */
export interface Comparable {
  readonly texts: readonly string[];
  readonly group: string;
}

/** Characters of one part: long enough to be rare, short enough that a typing mistake spoils few. */
const partLength = 5;

/**
 * Parts in more rows than these say nothing about who was copied: they are the language, or a template that all rows were made from. Without
 * this, 3,316 rows of one template with another word in each are 4.8 million pairs, found in two minutes.
 */
const common = { rows: 50, share: 0.01 };

/**
 * All pairs in which every text of one shares at least `least` of its parts with that of the other (Jaccard over character 5-grams). Exact,
 * and quick because no part is in many rows.
 */
export function alikePairs(rows: readonly Comparable[], least: number): AlikePair[] {
  const sets = partSets(rows);
  const holders: number[][] = [];
  const shared = new Int32Array(rows.length);
  const pairs: AlikePair[] = [];
  for (const [row, { all }] of sets.entries()) {
    const met: number[] = [];
    for (const part of all) {
      for (const other of holders[part] ?? []) if (shared[other]!++ === 0) met.push(other);
      holders[part] = holders[part] ?? [];
      holders[part].push(row);
    }
    for (const other of met) {
      const count = shared[other]!;
      shared[other] = 0;
      const isPossible = count >= least * (all.length + sets[other]!.all.length - count);
      if (!isPossible || !isComparable(rows[row]!, rows[other]!)) continue;
      const likeness = likenessOf(sets[row]!, sets[other]!);
      if (likeness >= least) pairs.push({ first: other, second: row, likeness });
    }
  }
  return pairs.toSorted((a, b) => a.first - b.first || a.second - b.second);
}

const isComparable = (a: Comparable, b: Comparable): boolean =>
  a.group === b.group && a.texts.length === b.texts.length;

/** The parts of a row by their numbers, in rising order: all of them, and those of each of its texts. */
interface Parts {
  readonly all: Uint32Array;
  readonly perText: readonly Uint32Array[];
}

function partSets(rows: readonly Comparable[]): Parts[] {
  const counts = new Map<string, number>();
  const named = rows.map(({ texts }) => texts.map((text, position) => partsOf(text, position)));
  for (const part of named.flat(2)) counts.set(part, (counts.get(part) ?? 0) + 1);
  const most = Math.max(common.rows, common.share * rows.length);
  const telling = [...counts].filter(([, count]) => count <= most);
  const numbers = new Map(telling.map(([part], number) => [part, number]));
  const numbered = (parts: readonly string[]) =>
    Uint32Array.from(parts.flatMap((part) => numbers.get(part) ?? [])).sort();
  return named.map((texts) => ({ all: numbered(texts.flat()), perText: texts.map(numbered) }));
}

/** Parts of another input are other parts. */
function partsOf(text: string, position: number): string[] {
  const padded = ` ${text} `;
  const count = Math.max(1, padded.length - partLength + 1);
  const parts = Array.from({ length: count }, (_, start) => `${position}${padded.slice(start, start + partLength)}`);
  return [...new Set(parts)];
}

/** Of the two texts that are least alike: a long text that two rows share must not hide that their questions differ. */
const likenessOf = (a: Parts, b: Parts): number =>
  Math.min(...a.perText.map((parts, position) => jaccard(parts, b.perText[position]!)));

/** Two texts without a telling part differ at most in what all rows have. */
function jaccard(a: Uint32Array, b: Uint32Array): number {
  let shared = 0;
  let at = 0;
  for (const part of a) {
    while (at < b.length && b[at]! < part) at++;
    if (b[at] === part) shared++;
  }
  const all = a.length + b.length - shared;
  return all === 0 ? 1 : shared / all;
}
