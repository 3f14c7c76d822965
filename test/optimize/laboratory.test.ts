import { describe, expect, test, vi } from 'vitest';
import type { Optimizer } from '../../src/core/optimizer.ts';
import { labeledFewShot } from '../../src/optimize/labeled-few-shot.ts';
import { simba } from '../../src/optimize/simba/simba.ts';
import { problem } from '../support/laboratory.ts';
import { pairedGain, trueScores } from '../support/laboratory-compare.ts';
import { measuredOnTest } from '../support/laboratory-run.ts';
import { chanceOfSuchLoss, holm } from '../support/laboratory-statistics.ts';
import {
  cellOf,
  chancesOfLoss,
  habits,
  maxCalls,
  optimizerNames,
  problemNames,
  seeds,
} from '../support/laboratory-table.ts';

// Some twenty seconds of computing in all; a machine with much else to do takes its time.
vi.setConfig({ testTimeout: 600_000 });

type Name = (typeof optimizerNames)[number];
type Task = (typeof problemNames)[number];

// Each optimizer on each problem once, 20 seeds and 300 calls each; every test below looks at these.
const measured = new Map<string, ReturnType<typeof cellOf>>();
function cell(optimizer: Name, task: Task) {
  const key = `${optimizer} ${task}`;
  const known = measured.get(key) ?? cellOf(optimizer, task);
  measured.set(key, known);
  return known;
}

const found = async (optimizer: Name, task: Task) => (await cell(optimizer, task)).scores.found;

describe('with the same number of calls, better than random search over demos is', () => {
  const writers: readonly Name[] = ['copro', 'inferRules', 'miproV2', 'gepa', 'simba'];
  // Instructions alone come to 0.6 where both help, as demos alone do: more takes both.
  const searchBoth: readonly Name[] = ['inferRules', 'miproV2'];
  test.each([
    ...writers.map((name) => [name, 'instructions help'] as const),
    ...searchBoth.map((name) => [name, 'both help'] as const),
    ...searchBoth.map((name) => [name, 'both help, two predictors'] as const),
    ['inferRules', 'both help, noisy grades'],
  ] as const)('%s where %s', async (name, task) => {
    const [own, random] = [await found(name, task), await found('bootstrapFewShotWithRandomSearch', task)];
    expect(pairedGain(own, random).low).toBeGreaterThan(0);
  });
});

test('simba finds more than demos alone, or instructions alone, could be worth, once it has calls for a dozen steps', async () => {
  const options = { helps: 'both', seeds, habits, maxCalls: 1000 } as const;
  const { found: own } = await trueScores(simba({ bsize: 12, numCandidates: 3, maxSteps: 12 }), options);
  const mostOfOne = own.map(() => 0.6);
  expect(pairedGain(own, mostOfOne).low).toBeGreaterThan(0);
});

describe('where demos help and a quarter of the labels is wrong, better than as many labelled demos is', () => {
  const task = 'demos help, a quarter is mislabelled';
  const labelled = (k: number) =>
    trueScores(labeledFewShot({ k }), { helps: 'demos', mislabelled: 0.25, seeds, habits, maxCalls });
  test.each([
    ['bootstrapFewShot', 16],
    ['bootstrapFewShotWithRandomSearch', 16],
    ['inferRules', 16],
    ['miproV2', 4],
  ] as const)('%s, which shows up to %i', async (name, k) => {
    expect(pairedGain(await found(name, task), (await labelled(k)).found).low).toBeGreaterThan(0);
  });
});

describe('far better than its start is', () => {
  test.each([
    ['labeledFewShot', 'demos help, a quarter is mislabelled'],
    ['simba', 'demos help, a quarter is mislabelled'],
    ['copro', 'both help'],
    ['gepa', 'both help'],
    ['simba', 'both help'],
    ['copro', 'both help, noisy grades'],
    ['gepa', 'both help, noisy grades'],
    ['miproV2', 'both help, noisy grades'],
  ] as const)('%s where %s', async (name, task) => {
    const { scores } = await cell(name, task);
    expect(pairedGain(scores.found, scores.start).low).toBeGreaterThan(0.04);
  });
});

describe('the start itself comes back, with every seed,', () => {
  test.each(optimizerNames)('from %s where nothing helps', async (name) => {
    expect((await cell(name, 'nothing helps')).isKept).toBe(true);
  });

  test.each(['copro', 'gepa'] as const)('from %s, which writes instructions, where demos alone help', async (name) => {
    expect((await cell(name, 'demos help, a quarter is mislabelled')).isKept).toBe(true);
  });
});

describe('never worse than the start beyond noise:', () => {
  test('on the sealed test rows no optimizer loses on any problem (one test each over the seeds, Holm over the table)', async () => {
    const cells = await Promise.all(optimizerNames.flatMap((name) => problemNames.map((task) => cell(name, task))));
    const chances = chancesOfLoss(cells);
    const losers = cells.filter((_, index) => chances[index]! < 0.05);
    expect(cells).toHaveLength(56);
    expect(losers.map(({ optimizer, problem: task }) => `${optimizer}: ${task}`)).toEqual([]);
  });

  test('the same test finds out an optimizer that hands on whatever it made', async () => {
    const careless: Optimizer = labeledFewShot({ keepStart: false });
    const { programs } = await trueScores(careless, { helps: 'demos', mislabelled: 1, noise: 0.4, seeds });
    const losses = await Promise.all(
      programs.map(async ({ given, found: candidate }) => {
        const [before, after] = [await measuredOnTest(given, given.start), await measuredOnTest(given, candidate)];
        return after.mean - before.mean;
      }),
    );
    // Among 56, all others without a loss.
    expect(holm([chanceOfSuchLoss(losses), ...Array(55).fill(1)])[0]).toBeLessThan(0.05);
  });
});

describe('the test of pairs', () => {
  test('counts the choices of signs that add up to as little', () => {
    expect(chanceOfSuchLoss([-1, -1, -1])).toBe(1 / 8);
    expect(chanceOfSuchLoss([-3, 1, 0])).toBe(2 / 4);
    expect(chanceOfSuchLoss([2, 1])).toBe(1);
    expect(chanceOfSuchLoss([0, 0])).toBe(1);
  });

  test('counts for less the more of them there are', () => {
    expect(holm([0.01, 0.04, 0.03])).toEqual([0.03, 0.06, 0.06]);
    expect(holm([0.6, 0.9])).toEqual([1, 1]);
  });

  test('is of the start on the rows that are kept from optimizers', () => {
    const { train, val, test: sealed } = problem({ helps: 'both' });
    const seen = new Set([...train, ...val].map(({ id }) => id));
    expect(sealed.filter(({ id }) => seen.has(id))).toEqual([]);
  });
});
