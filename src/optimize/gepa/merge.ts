import { type Candidate, mapPredictors, predictorState } from '../../core/candidate.ts';
import type { Rng } from '../../core/rng.ts';
import { meanOf, paretoFront, type Scores } from './front.ts';
import { ancestorsOf, type Member } from './pool.ts';
import { weightedIndex } from './selectors.ts';

/** Val rows that a merge is tried on before it is measured on all of them. */
export const mergeRows = 5;

/** Two members of the front, by their positions, and the candidate that has the best of both. */
export interface Merge {
  readonly parents: readonly [number, number];
  readonly candidate: Candidate;
}

/**
 * A random pair of the front that has something to give each other, or null. Neither descends from the other; a common ancestor (drawn by
 * its score) is no better than either; some predictor was changed by only one of them; and what comes of it was not tried yet.
 * gepa looks at ten random pairs and may miss the only one; here all are looked at.
 */
export function chooseMerge(
  pool: readonly Member[],
  isTried: (candidate: Candidate) => boolean,
  rng: Rng,
): Merge | null {
  for (const parents of rng.shuffle(unrelatedPairs(pool))) {
    const options = commonAncestors(pool, parents)
      .map((ancestor) => ({ ancestor, candidate: merged(pool, parents, ancestor) }))
      .filter(({ candidate }) => candidate !== null && !isTried(candidate));
    if (options.length === 0) continue;
    const weights = options.map(({ ancestor }) => meanOf(pool[ancestor]!.scores));
    // `!`: the filter above has left no null.
    return { parents, candidate: options[weightedIndex(weights, rng)]!.candidate! };
  }
  return null;
}

function unrelatedPairs(pool: readonly Member[]): (readonly [number, number])[] {
  const front = paretoFront(pool.map(({ scores }) => scores));
  return front.flatMap((first, position) =>
    front
      .slice(position + 1)
      .filter((second) => !ancestorsOf(pool, second).has(first))
      .map((second) => [first, second] as const),
  );
}

function commonAncestors(pool: readonly Member[], [first, second]: readonly [number, number]): number[] {
  const mean = (member: number): number => meanOf(pool[member]!.scores);
  const ofSecond = ancestorsOf(pool, second);
  const most = Math.min(mean(first), mean(second));
  return [...ancestorsOf(pool, first)]
    .filter((ancestor) => ofSecond.has(ancestor) && mean(ancestor) <= most)
    .toSorted((a, b) => a - b);
}

/** Per predictor the text that was changed; where both changed it, that of the better one, ties to the earlier. */
function merged(
  pool: readonly Member[],
  [first, second]: readonly [number, number],
  ancestor: number,
): Candidate | null {
  const textOf = (member: number, name: string): string => predictorState(pool[member]!.candidate, name).instructions;
  const better = meanOf(pool[second]!.scores) > meanOf(pool[first]!.scores) ? second : first;
  let hasGift = false;
  const candidate = mapPredictors(pool[first]!.candidate, (state, name) => {
    const [old, one, other] = [ancestor, first, second].map((member) => textOf(member, name));
    if (one === other) return state;
    if (one !== old && other !== old) return { ...state, instructions: textOf(better, name) };
    hasGift = true;
    return { ...state, instructions: textOf(one === old ? second : first, name) };
  });
  return hasGift ? candidate : null;
}

/** Rows that show whether a merge kept what both parents can do: a third each where one is better, where the other is, and where none is. */
export function mergeSample(first: Scores, second: Scores, rng: Rng): number[] {
  const rows = [...first.keys()];
  const kinds = [1, -1, 0].map((sign) => rows.filter((row) => Math.sign(first[row]! - second[row]!) === sign));
  const share = Math.ceil(mergeRows / kinds.length);
  const picked = kinds.flatMap((kind) => rng.sample(kind, share)).slice(0, mergeRows);
  const others = rows.filter((row) => !picked.includes(row));
  return [...picked, ...rng.sample(others, mergeRows - picked.length)].toSorted((a, b) => a - b);
}
