import { describe, expect, test } from 'vitest';
import { type Candidate, mapPredictors } from '../../src/core/candidate.ts';
import { signature } from '../../src/core/signature.ts';
import { labeledFewShot } from '../../src/optimize/labeled-few-shot.ts';
import { problem } from './laboratory.ts';
import { pairedGain, trueScores } from './laboratory-compare.ts';
import { measuredOnTest } from './laboratory-run.ts';
import { type Habits, writer } from './laboratory-writer.ts';
import { optimizerContext } from './optimizer-context.ts';

const sizes = { train: 8, val: 8, test: 400 };

const withInstructions = (candidate: Candidate, instructions: string) =>
  mapPredictors(candidate, (state) => ({ ...state, instructions }));

describe('the true score', () => {
  test.each([
    ['instructions', 1, 0, 0.3, 0.9],
    ['demos', 1, 0, 0.3, 0.9],
    ['both', 1, 0, 0.3, 0.9],
    ['nothing', 1, 0, 0.3, 0.3],
    ['both', 2, 0, 0.09, 0.81],
    ['both', 1, 0.4, 0.446, 0.698],
  ] as const)(
    'where %s helps, with %i predictors and noise %f: %f at the start, %f at best, as rows say',
    async (...row) => {
      const [helps, predictors, noise, atStart, atBest] = row;
      const given = problem({ helps, predictors, noise, sizes });
      const [start, best] = [await measuredOnTest(given, given.start), await measuredOnTest(given, given.best)];
      expect([given.expectedScore(given.start), given.expectedScore(given.best)]).toEqual([
        expect.closeTo(atStart, 9),
        expect.closeTo(atBest, 9),
      ]);
      // Twice the standard error of 400 rows.
      expect(Math.abs(start.mean - atStart)).toBeLessThan(0.05);
      expect(Math.abs(best.mean - atBest)).toBeLessThan(0.05);
    },
  );

  test('rises with each clue in the instructions', () => {
    const { start, expectedScore } = problem({ helps: 'instructions' });
    const texts = ['Be good.', 'Look for parcel.', 'Look for parcel and router.'];
    expect(texts.map((text) => expectedScore(withInstructions(start, text)))).toEqual([0.3, 0.45, 0.6]);
  });

  test('rises with demos of a kind and falls with mislabelled ones', async () => {
    const shown = async (mislabelled: number) => {
      const given = problem({ helps: 'demos', mislabelled, sizes });
      const { context } = optimizerContext(given.student(), given.structure, given);
      const { candidate } = await labeledFewShot({ k: 8, keepStart: false }).optimize(given.start, context);
      return given.expectedScore(candidate);
    };
    expect([await shown(0), await shown(1)]).toEqual([expect.closeTo(0.9, 9), 0]);
  });
});

test('a better prompt is right on every row that a worse one is right on', async () => {
  const given = problem({ helps: 'both', sizes });
  const worse = await measuredOnTest(given, withInstructions(given.start, 'Look for parcel.'));
  const better = await measuredOnTest(given, given.best);
  const lost = worse.rows.filter(({ score }, index) => score.value > better.rows[index]!.score.value);
  expect(lost).toEqual([]);
});

describe('a prompt model', () => {
  const question = signature('rows -> advice');
  const answers = async (habits: Habits, rows: string) => {
    const given = problem({ helps: 'instructions' });
    const { context } = optimizerContext(given.student(), given.structure, { ...given, promptModel: writer(habits) });
    const seeds = Array.from({ length: 20 }, (_, seed) => ({ temperature: 1, seed }));
    const asked = await Promise.all(seeds.map((attempt) => context.ask(question, { rows }, { attempt })));
    return asked.map(({ outputs, failure }) => failure?.kind ?? String(outputs!.advice));
  };

  test('names the clues that it is shown, as often as it is able to, and no others', async () => {
    expect(await answers({ finds: 1 }, 'my parcel, my router')).toEqual(
      Array(20).fill(expect.stringMatching(/\. Look for parcel, router\.$/)),
    );
    const half = await answers({ finds: 0.5 }, 'my parcel');
    expect(half.filter((text) => text.includes('parcel'))).toHaveLength(11);
    expect((await answers({ finds: 1 }, 'nothing')).filter((text) => text.includes('Look for'))).toEqual([]);
  });

  test.each([
    ['rubbish', /^[^:]+\.$/],
    ['empty', /^ +$/],
    ['unreadable', /^parse$/],
  ] as const)('that is all %s names none', async (habit, what) => {
    expect(await answers({ finds: 1, [habit]: 1 }, 'my parcel')).toEqual(Array(20).fill(expect.stringMatching(what)));
  });
});

test('a comparison of two optimizers over many seeds takes a few lines', async () => {
  const options = { helps: 'demos', mislabelled: 0.25, seeds: 8 } as const;
  const all = await trueScores(labeledFewShot({ k: 16 }), options);
  const one = await trueScores(labeledFewShot({ k: 1 }), options);
  expect(pairedGain(all.found, one.found).low).toBeGreaterThan(0);
});
