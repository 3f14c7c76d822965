import { describe, expect, test } from 'vitest';
import { seededRng } from '../../src/core/rng.ts';
import {
  type Combination,
  goodTrials,
  type Observation,
  parzenEstimator,
  probability,
  recencyWeights,
  suggest,
} from '../../src/optimize/tpe.ts';

const observed = (combination: Combination, score: number): Observation => ({ combination, score });

describe('the Parzen estimator', () => {
  test('is half the prior and half a kernel around the only observation', () => {
    const density = parzenEstimator([2], [[0]]);
    // Two kernels: the one of the observation has (1 + 1/2) : 1/2 for its options, the prior 1 : 1.
    expect([[0], [1]].map((combination) => probability(density, combination))).toEqual([0.625, 0.375]);
  });

  test('keeps options together that were seen together', () => {
    const density = parzenEstimator(
      [3, 2],
      [
        [0, 1],
        [2, 1],
      ],
    );
    const all = [0, 1, 2].flatMap((first) => [0, 1].map((second) => [first, second]));
    // What optuna 5.0.0 computes: np.exp(_ParzenEstimator({'a': [0, 2], 'b': [1, 1]}, …).log_pdf(…)).
    const byOptuna = [0.11111111, 0.27777778, 0.07777778, 0.14444444, 0.11111111, 0.27777778];
    expect(all.map((combination) => probability(density, combination))).toEqual(
      byOptuna.map((value) => expect.closeTo(value, 8)),
    );
  });

  test('without observations is uniform', () => {
    expect(probability(parzenEstimator([4, 5], []), [3, 2])).toBe(1 / 20);
  });

  test('lets observations before the last 25 fade, the oldest to 1/n', () => {
    expect(recencyWeights(3)).toEqual([1, 1, 1]);
    expect(recencyWeights(26).slice(0, 2)).toEqual([1 / 26, 1]);
    expect(recencyWeights(28).slice(0, 4)).toEqual([1 / 28, expect.closeTo(0.51785714, 8), 1, 1]);
  });

  test.each([
    [1, 1],
    [10, 1],
    [11, 2],
    [249, 25],
    [1000, 25],
  ])('of %i trials takes %i as the good ones', (trials, good) => {
    expect(goodTrials(trials)).toBe(good);
  });
});

describe('a suggestion', () => {
  const manyOf = (observations: readonly Observation[], startupTrials: number) =>
    Array.from({ length: 300 }, (_, seed) =>
      suggest([3, 2], observations, seededRng(seed), { startupTrials })?.join(' '),
    );
  const shareOf = (combination: string, all: readonly (string | undefined)[]) =>
    all.filter((one) => one === combination).length / all.length;

  test('is uniform during the start-up, whatever was observed', () => {
    const drawn = manyOf([observed([0, 0], 1), observed([1, 1], 0)], 3);
    for (const combination of ['0 0', '0 1', '1 0', '1 1', '2 0', '2 1'])
      expect(shareOf(combination, drawn)).toBeCloseTo(1 / 6, 1);
  });

  test('goes where the good ones are after the start-up, also when nothing of it had been suggested', () => {
    const drawn = manyOf([observed([0, 0], 1), observed([1, 1], 0), observed([2, 1], 0)], 3);
    expect(shareOf('0 0', drawn)).toBeGreaterThan(0.9);
  });

  test('takes the earlier of two equal trials for the good one', () => {
    const drawn = manyOf([observed([2, 1], 1), observed([0, 0], 1)], 2);
    expect(shareOf('2 1', drawn)).toBeGreaterThan(shareOf('0 0', drawn));
  });

  test('agrees for equal seeds and differs between seeds, 0 among them', () => {
    const path = (seed: number) =>
      Array.from({ length: 8 }, (_, trial) =>
        suggest([9, 9], [], seededRng(seed).fork(`trial/${trial}`), { startupTrials: 1 }),
      );
    expect(path(0)).toEqual(path(0));
    expect(path(0)).not.toEqual(path(1));
  });

  test('is an open one, and null when there is none', () => {
    const isOpen = (combination: Combination) => combination.join() === '1,0';
    const good = [observed([0, 0], 1), observed([1, 1], 0)];
    for (const startupTrials of [0, 9])
      expect(suggest([3, 2], good, seededRng(0), { startupTrials, isOpen })).toEqual([1, 0]);
    expect(suggest([3, 2], good, seededRng(0), { startupTrials: 0, isOpen: () => false })).toBeNull();
  });
});

describe('the search', () => {
  const mostTrials = 120;
  const sizes = [6, 6, 6, 6];
  type Problem = { readonly score: (combination: Combination) => number; readonly best: number };

  /** Trials until the best score is found, on average over 20 seeds. */
  function trialsNeeded({ score, best }: Problem, startupTrials: number, repeats = true): number {
    const needed = Array.from({ length: 20 }, (_, seed) => {
      const rng = seededRng(seed);
      const seen: Observation[] = [];
      const tried = new Set<string>();
      const isOpen = (combination: Combination) => repeats || !tried.has(combination.join());
      while (seen.length < mostTrials && seen.at(-1)?.score !== best) {
        const combination = suggest(sizes, seen, rng.fork(`trial/${seen.length}`), { startupTrials, isOpen })!;
        tried.add(combination.join());
        seen.push(observed(combination, score(combination)));
      }
      return seen.length;
    });
    return needed.reduce((sum, trials) => sum + trials, 0) / needed.length;
  }
  const randomly = (problem: Problem) => trialsNeeded(problem, Number.POSITIVE_INFINITY);

  const target = [1, 4, 2, 5];
  const sphere: Problem = {
    score: (combination) => -combination.reduce((sum, option, index) => sum + (option - target[index]!) ** 2, 0),
    best: 0,
  };
  const matches: Problem = {
    score: (combination) => combination.filter((option, index) => option === target[index]).length,
    best: 4,
  };
  // No option is good or bad alone.
  const chain: Problem = {
    score: ([a, b, c, d]) => -Math.abs(a! - b!) - Math.abs(c! - d!) - Math.abs(b! + c! - 5),
    best: 0,
  };

  test.each([
    ['the squared distance from a point', sphere],
    ['the number of right options', matches],
    ['how options go together', chain],
  ])('needs clearly fewer trials than random search where the score is %s', (_, problem) => {
    expect(trialsNeeded(problem, 10)).toBeLessThan(0.7 * randomly(problem));
  });

  test('needs fewer still where only new combinations are open', () => {
    const agreement: Problem = {
      score: ([a, b, c, d]) => (a === b ? 1 + Number(a! < 2) : 0) + (c === d ? 1 + Number(c! < 2) : 0),
      best: 4,
    };
    expect(trialsNeeded(agreement, 10, false)).toBeLessThan(0.7 * trialsNeeded(agreement, 10));
  });
});
