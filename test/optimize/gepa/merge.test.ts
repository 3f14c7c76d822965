import { describe, expect, test } from 'vitest';
import { type Candidate, mapPredictors, type PredictorState } from '../../../src/core/candidate.ts';
import { seededRng } from '../../../src/core/rng.ts';
import { chooseMerge, mergeSample } from '../../../src/optimize/gepa/merge.ts';
import type { Member } from '../../../src/optimize/gepa/pool.ts';

/** A candidate with these instructions for its predictors a, b and c. */
function saying(...texts: readonly [string, string, string]): Candidate {
  const [a, b, c] = texts.map(
    (instructions): PredictorState => ({
      instructions,
      demos: [],
      chatFormat: 'json',
      choice: 'greedy',
      decoding: 'constrained',
      model: { base: 'base', adapter: null },
    }),
  );
  return { predictors: { a: a!, b: b!, c: c! } };
}

const textsOf = (candidate: Candidate): string[] =>
  Object.values(candidate.predictors).map(({ instructions }) => instructions);

const member = (candidate: Candidate, parents: readonly number[], scores: readonly number[]): Member => ({
  candidate,
  parents,
  scores,
  discoveredAt: 0,
});

const start = member(saying('-', '-', '-'), [], [0, 0]);
const untried = () => false;

interface Drawn {
  readonly isTried?: (candidate: Candidate) => boolean;
  readonly seed?: number;
}

function texts(pool: readonly Member[], { isTried = untried, seed = 0 }: Drawn = {}): string[] | null {
  const merge = chooseMerge(pool, isTried, seededRng(seed));
  return merge && textsOf(merge.candidate);
}

describe('a merge', () => {
  const pool = [start, member(saying('one', '-', '-'), [0], [1, 0]), member(saying('-', 'two', '-'), [0], [0, 1])];

  test('has what each of two specialists changed', () => {
    expect(texts(pool)).toEqual(['one', 'two', '-']);
    expect(chooseMerge(pool, untried, seededRng(0))?.parents).toEqual([1, 2]);
  });

  test('has the text of the better one where both changed it, of the earlier one on a tie', () => {
    const first = member(saying('one', 'one', '-'), [0], [1, 0]);
    const better = member(saying('-', 'two', '-'), [0], [0.5, 1]);
    const equal = member(saying('-', 'two', '-'), [0], [0, 1]);
    expect(texts([start, first, better])).toEqual(['one', 'two', '-']);
    expect(texts([start, first, equal])).toEqual(['one', 'one', '-']);
  });

  test('keeps what is not an instruction', () => {
    const shown = (candidate: Candidate): Candidate =>
      mapPredictors(candidate, (state) => ({
        ...state,
        demos: [{ inputs: { x: 1 }, outputs: { y: 2 }, source: 'd' }],
      }));
    const merge = chooseMerge(
      pool.map((each) => ({ ...each, candidate: shown(each.candidate) })),
      untried,
      seededRng(0),
    );
    expect(merge?.candidate).toEqual(shown(saying('one', 'two', '-')));
  });

  test('is not made with a descendant', () => {
    expect(texts([start, pool[1]!, member(saying('one', 'two', '-'), [1], [0, 1])])).toBeNull();
  });

  test('is not made where the common ancestor is better than one of the two', () => {
    const good = member(start.candidate, [], [0.6, 0.6]);
    expect(texts([good, pool[1]!, pool[2]!])).toBeNull();
  });

  test('is not made of two that changed the same predictor', () => {
    expect(texts([start, pool[1]!, member(saying('two', '-', '-'), [0], [0, 1])])).toBeNull();
  });

  test('is not made twice', () => {
    const isTried = (candidate: Candidate) => textsOf(candidate).join() === 'one,two,-';
    expect(texts(pool, { isTried })).toBeNull();
  });

  test('is found wherever there is one, however many pairs have nothing to give', () => {
    // Each the best on a row of its own; only the last two changed different predictors.
    const rivals = Array.from({ length: 8 }, (_, row) =>
      member(
        saying(`a${row}`, '-', '-'),
        [0],
        Array.from({ length: 9 }, (_, other) => Number(other === row)),
      ),
    );
    const last = member(
      saying('-', 'b', '-'),
      [0],
      Array.from({ length: 9 }, (_, other) => Number(other === 8)),
    );
    const isTried = (candidate: Candidate) => textsOf(candidate)[0] !== 'a7';
    const first = { ...start, scores: Array.from({ length: 9 }, () => 0) };
    for (const seed of [0, 1, 2]) expect(texts([first, ...rivals, last], { isTried, seed })).toEqual(['a7', 'b', '-']);
  });

  test('draws the common ancestor by its score', () => {
    const middle = member(saying('one', '-', '-'), [0], [0.2, 0.2]);
    const [left, right] = [
      member(saying('one', 'two', '-'), [1], [1, 0]),
      member(saying('three', '-', '-'), [1], [0, 1]),
    ];
    // From the start, which has no point, `a` would be a text that both changed.
    for (const seed of [0, 1, 2, 3, 4])
      expect(texts([start, middle, left, right], { seed })).toEqual(['three', 'two', '-']);
  });
});

describe('the rows that a merge is tried on', () => {
  test('are two where one parent is better, two where the other is, and one where none is', () => {
    const first = [1, 1, 1, 0, 0, 0, 0.5, 0.5, 0.5];
    const second = [0, 0, 0, 1, 1, 1, 0.5, 0.5, 0.5];
    const rows = mergeSample(first, second, seededRng(0));
    expect(
      [rows.filter((row) => row < 3), rows.filter((row) => row >= 3 && row < 6)].map(({ length }) => length),
    ).toEqual([2, 2]);
    expect(new Set(rows).size).toBe(5);
  });

  test('are filled up where there are too few of a kind', () => {
    expect(mergeSample([1, 1, 1, 1, 1], [0, 0, 0, 0, 0], seededRng(0))).toEqual([0, 1, 2, 3, 4]);
  });
});
