import { describe, expect, test } from 'vitest';
import { seededRng } from '../../src/core/rng.ts';
import { copro } from '../../src/optimize/copro/copro.ts';
import { inferRules } from '../../src/optimize/infer-rules.ts';
import { judge } from '../../src/optimize/judge.ts';
import { miproV2 } from '../../src/optimize/mipro/mipro-v2.ts';
import { isLost } from '../../src/optimize/race.ts';
import { bootstrapFewShotWithRandomSearch } from '../../src/optimize/random-search/random-search.ts';
import { simba } from '../../src/optimize/simba/simba.ts';
import { problem } from '../support/laboratory.ts';
import { meanOf, pairedGain, trueScores } from '../support/laboratory-compare.ts';
import { observe } from '../support/laboratory-run.ts';
import { optimizerContext } from '../support/optimizer-context.ts';

const rowsBetweenLooks = 16;

/** Rows after which a race is lost; all of them where it is not. */
function rowsOfRace(differences: readonly number[], confidence: number): number {
  const count = differences.length;
  for (let seen = rowsBetweenLooks; seen < count; seen += rowsBetweenLooks)
    if (isLost(differences.slice(0, seen), count, confidence)) return seen;
  return count;
}

const sumOf = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0);

describe('a race', () => {
  // Candidates that are truly as good as the best or a little better, by kinds of metric.
  const draws: { [kind: string]: (u: number) => number } = {
    'right or wrong': (u) => (u < 0.22 ? 1 : u < 0.42 ? -1 : 0),
    graded: (u) => 0.7 * (u - 0.48),
    'seldom much better': (u) => (u < 0.12 ? 0.9 : -0.1),
    'seldom much worse': (u) => (u < 0.88 ? 0.1 : -0.6),
  };

  for (const [kind, draw] of Object.entries(draws))
    test.each([0.8, 0.95])(
      `drops no more than 1 - confidence of those that would not lose: ${kind}, %f`,
      (confidence) => {
        const rng = seededRng(`race/${kind}`);
        const races = Array.from({ length: 300 }, () => Array.from({ length: 96 }, () => draw(rng.next())));
        const notWorse = races.filter((differences) => sumOf(differences) >= 0);
        const dropped = notWorse.filter((differences) => rowsOfRace(differences, confidence) < differences.length);
        expect(notWorse.length).toBeGreaterThan(150);
        expect(dropped.length / notWorse.length).toBeLessThanOrEqual(1 - confidence);
      },
    );

  test('is lost early by who is much worse, and never by who is seen to be better', () => {
    const worse = Array.from({ length: 96 }, (_, row) => (row % 3 === 0 ? -1 : 0));
    expect(rowsOfRace(worse, 0.95)).toBe(16);
    expect(
      rowsOfRace(
        worse.map((difference) => -difference),
        0.95,
      ),
    ).toBe(96);
  });

  test('is lost for certain when full marks on all the rest would not do', () => {
    expect(isLost([-1, -1], 4, 0.999999)).toBe(false);
    expect(isLost([-1, -1, 0], 4, 0.999999)).toBe(true);
  });

  test('is judged on the same rows, whatever order they are asked in', async () => {
    const given = problem({ helps: 'both', sizes: { train: 4, val: 60, test: 4 } });
    const { context } = optimizerContext(given.student(), given.structure, given);
    const { evaluation: best } = await judge(context, given.best, given.val, { toBeat: null });
    const race = { confidence: 0.95, best: best.rows.map(({ score }) => score.value) };
    const lost = await judge(context, given.start, given.val, { toBeat: null, race });
    expect([lost.score, lost.evaluation.rows.length]).toEqual([null, 16]);
    const again = await judge(context, given.best, given.val, { toBeat: null, race });
    expect(again).toEqual({ evaluation: best, score: best.mean });
  });

  test('is not run on scores beyond [0, 1], for which the bound does not hold', async () => {
    const given = problem({ helps: 'both', sizes: { train: 4, val: 60, test: 4 } });
    const { context } = optimizerContext(given.student(), given.structure, given);
    const race = { confidence: 0.95, best: given.val.map(() => 1.5) };
    const { evaluation } = await judge(context, given.start, given.val, { toBeat: null, race });
    expect(evaluation.rows).toHaveLength(60);
  });
});

describe('the option racing', () => {
  const racing = { confidence: 0.95 };
  // Half of the grades are noise, and there are enough rows for a race to end before its last row.
  const task = { helps: 'both', noise: 0.5, sizes: { train: 24, val: 128, test: 4 } } as const;

  test.each([
    ['random search', bootstrapFewShotWithRandomSearch, { maxLabeledDemos: 4, numCandidatePrograms: 8 }],
    ['copro', copro, { depth: 1 }],
    ['inferRules', inferRules, { numCandidates: 5 }],
    ['miproV2', miproV2, { auto: null, numCandidates: 4, numTrials: 6, minibatch: false }],
    ['simba', simba, { maxSteps: 3, numCandidates: 3 }],
  ] as const)('saves %s calls; who lost has no score', async (_, optimizer, parameters) => {
    const make = optimizer as (given: object) => ReturnType<typeof copro>;
    const calls = async (given: object) => {
      const { requests, optimized } = await observe(make({ ...parameters, ...given }), problem(task));
      return { made: requests.student.length, unscored: optimized.trials.filter(({ score }) => score === null).length };
    };
    const [raced, free] = [await calls({ racing, stopLosers: false }), await calls({ stopLosers: false })];
    expect(free.unscored).toBe(0);
    expect(raced.unscored).toBeGreaterThan(0);
    expect(raced.made).toBeLessThan(free.made);
  });

  test('spends clearly fewer calls where scores are noisy, and finds as good programs', async () => {
    const habits = { finds: 0.5, guesses: 0.3 };
    const options = {
      helps: 'instructions',
      noise: 0.4,
      sizes: { ...task.sizes, val: 192 },
      habits,
      seeds: 20,
    } as const;
    const raced = await trueScores(copro({ depth: 1, racing }), options);
    const free = await trueScores(copro({ depth: 1 }), options);
    expect(meanOf(raced.calls)).toBeLessThan(0.85 * meanOf(free.calls));
    expect(pairedGain(raced.calls, free.calls).high).toBeLessThan(0);
    expect(pairedGain(raced.found, free.found).high).toBeGreaterThanOrEqual(0);
  });

  test('takes a confidence from 0.5 to 1, and says what it wants', () => {
    expect(() => copro({ racing: { confidence: 95 } })).toThrow('copro.racing.confidence');
    expect(() => copro({ racing: 0.95 as never })).toThrow('An object is wanted, such as {"confidence": 0.95}.');
  });
});
