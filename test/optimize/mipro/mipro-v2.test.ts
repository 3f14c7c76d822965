import { describe, expect, test } from 'vitest';
import { candidateOf, predict } from '../../../src/core/callable.ts';
import { candidateId, mapPredictors } from '../../../src/core/candidate.ts';
import { signature } from '../../../src/core/signature.ts';
import { miproV2 } from '../../../src/optimize/mipro/mipro-v2.ts';
import { miproParameters, planOf } from '../../../src/optimize/mipro/settings.ts';
import {
  body,
  demosOf,
  detail,
  examples,
  hint,
  type Log,
  proposalsAsked,
  setting,
  shows,
  small,
  stubborn,
  writer,
} from '../../support/mipro-setting.ts';
import { student } from '../../support/parity-task.ts';
import { scriptedModel } from '../../support/scripted-model.ts';

describe('miproV2', () => {
  test('finds the instruction and the demos that help together', async () => {
    const { context, parent } = setting();
    const result = await miproV2().optimize(parent, context);
    const { candidate, trials } = result;
    expect(candidate.predictors.predict?.instructions).toBe(hint);
    expect(demosOf(candidate).length).toBeGreaterThan(0);
    expect([trials[0]?.score, Math.max(...trials.map(({ score }) => score ?? 0))]).toEqual([0.5, 0.9]);
    expect(detail<{ candidate: string; score: number }[]>(result, 'candidatePrograms')[0]).toMatchObject({
      candidate: candidateId(candidate),
      score: 0.9,
    });
  });

  test('agrees for equal seeds and differs between seeds, and 0 is one of them', async () => {
    const triedWith = async (seed: number) => {
      const { context, parent, evaluated } = setting({ seed });
      await miproV2().optimize(parent, context);
      return evaluated.map(candidateId);
    };
    expect(await triedWith(0)).toEqual(await triedWith(0));
    expect(await triedWith(0)).not.toEqual(await triedWith(9));
  });

  test('asks for one instruction less than there are candidates, since the current one is among them', async () => {
    const { context, parent, writer: asked } = setting();
    await miproV2({ ...small, numCandidates: 4 }).optimize(parent, context);
    expect(proposalsAsked(asked)).toHaveLength(3);
  });

  test("runs on the candidate's own weights, and asks the prompt model without its adapter", async () => {
    const { context, parent, model, writer: asked } = setting();
    const tuned = mapPredictors(parent, (state) => ({ ...state, model: { ...state.model, adapter: 'tuned' } }));
    await miproV2().optimize(tuned, context);
    expect(new Set(model.requests.map((request) => request.model.adapter))).toEqual(new Set(['tuned']));
    expect(new Set(asked.requests.map((request) => request.model.adapter))).toEqual(new Set([null]));
  });

  test('goes on with demos when the prompt model proves unable, and counts what it got', async () => {
    const { context, parent, notices, writer: asked } = setting({ promptModel: writer(' ') });
    const result = await miproV2({ ...small, numCandidates: 8 }).optimize(parent, context);
    expect(detail(result, 'proposals')).toMatchObject({ asked: 9, usable: 0, empty: 9 });
    expect(proposalsAsked(asked)).toHaveLength(9);
    expect(demosOf(result.candidate).length).toBeGreaterThan(0);
    expect(notices).toEqual(['prompt-model-unable']);
  });

  test('survives a prompt model of which no answer can be read', async () => {
    const broken = scriptedModel(() => ({
      failure: { kind: 'length', message: 'The answer was cut off.' },
      usage: { prompt: 1, cachedPrompt: 0, completion: 9 },
    }));
    const { context, parent } = setting({ promptModel: broken });
    const result = await miproV2().optimize(parent, context);
    expect(detail(result, 'dataSummary')).toBeNull();
    expect(detail(result, 'proposals')).toMatchObject({ usable: 0 });
    expect(demosOf(result.candidate).length).toBeGreaterThan(0);
  });

  test('ends without demos when it may have none, whatever the parent has', async () => {
    const { context, parent } = setting();
    const demo = { inputs: { number: '1' }, outputs: { kind: 'odd' }, source: 'one' };
    const withDemo = mapPredictors(parent, (state) => ({ ...state, demos: [demo] }));
    const zeroShot = miproV2({ maxBootstrappedDemos: 0, maxLabeledDemos: 0 });
    const { candidate, trials } = await zeroShot.optimize(withDemo, context);
    expect(trials.flatMap((trial) => demosOf(trial.candidate))).toEqual([]);
    expect(candidate.predictors.predict?.instructions).toBe(hint);
  });

  test('returns the parent with its own demos when nothing scores more, and says so', async () => {
    const { context, parent, notices } = setting({ model: stubborn() });
    const demo = { inputs: { number: '1' }, outputs: { kind: 'odd' }, source: 'one' };
    const withDemo = mapPredictors(parent, (state) => ({ ...state, demos: [demo] }));
    const { candidate, trials } = await miproV2().optimize(withDemo, context);
    expect(candidate).toBe(withDemo);
    expect(trials[0]).toEqual({ candidate: withDemo, score: 0.5, note: 'start' });
    expect(trials.length).toBeGreaterThan(5);
    expect(notices).toEqual(['start-kept']);
  });

  test('tries nothing twice on the same rows', async () => {
    const { context, parent } = setting({ model: stubborn() });
    const result = await miproV2({ auto: null, numCandidates: 3, numTrials: 40 }).optimize(parent, context);
    const logs = detail<{ candidate: string }[]>(result, 'trialLogs').map(({ candidate }) => candidate);
    expect(new Set(logs).size).toBe(logs.length);
    expect(detail<Log[]>(result, 'trialLogs').every(({ kind }) => kind === 'full')).toBe(true);
  });

  test('refuses to choose where there is nothing to judge on', async () => {
    const { context, parent } = setting({ train: [], val: [] });
    await expect(miproV2().optimize(parent, context)).rejects.toThrow('neither val nor train examples');
  });

  test('knows when two combinations come to the same candidate', async () => {
    const open = predict(signature('number -> kind'));
    const model = scriptedModel(() => [body('odd')]);
    const { context, proposed } = setting({ model, structure: open.structure });
    // Without labels no choice rule has an effect.
    const search = miproV2({ ...small, numTrials: 20, choiceRules: ['greedy', 'most-probable'] });
    const result = await search.optimize(candidateOf(open.withLm(model)), context);
    const logs = detail<{ candidate: string }[]>(result, 'trialLogs').map(({ candidate }) => candidate);
    expect(new Set(logs).size).toBe(logs.length);
    expect(proposed).toHaveLength(logs.length - 1);
  });

  test('asks nobody anything more when the start is right on all rows', async () => {
    const { context, parent, writer: asked, notices } = setting({ model: student(() => 10) });
    const { candidate, details } = await miproV2().optimize(parent, context);
    expect(candidate).toBe(parent);
    expect(asked.requests).toEqual([]);
    expect([notices, details]).toEqual([
      ['start-kept'],
      { calls: { start: 20, demoSets: 0, proposals: 0, calibrations: 0, minibatches: 0, fullEvaluations: 0 } },
    ]);
  });

  test('counts the calls that were made, by what they were made for', async () => {
    const { context, parent, model, writer: asked } = setting({ val: examples(40, 120) });
    const result = await miproV2().optimize(parent, context);
    const calls = detail<{ [part: string]: number }>(result, 'calls');
    const sum = Object.values(calls).reduce((total, part) => total + part, 0);
    expect(sum).toBe(model.requests.length + asked.requests.length);
    expect([calls.start, calls.minibatches, calls.proposals]).toEqual([80, 350, asked.requests.length]);
    expect(detail<{ callsSoFar: number }[]>(result, 'trialLogs').at(-1)?.callsSoFar).toBe(sum);
  });

  test('stops a full score as soon as it cannot win', async () => {
    // Right without demos, and on nothing with them.
    const model = student((request) => (shows(request) > 0 ? 0 : 9));
    const { context, parent } = setting({ model, val: examples(40, 140) });
    const result = await miproV2({ ...small, minibatch: false }).optimize(parent, context);
    const stopped = detail<Log[]>(result, 'trialLogs').filter(({ wasStopped }) => wasStopped);
    expect(stopped.map(({ rows, mean }) => [rows, mean])).toContainEqual([32, 0]);
    expect(detail<{ score: number }[]>(result, 'candidatePrograms').filter(({ score }) => score < 0.9)).toEqual([]);
  });

  test('judges on train without a val split, no example with its own demo', async () => {
    const { context, parent, model } = setting({ val: [] });
    const demo = { inputs: { number: '1' }, outputs: { kind: 'odd' }, source: context.train[1]!.id };
    const withDemo = mapPredictors(parent, (state) => ({ ...state, demos: [demo] }));
    const { candidate } = await miproV2().optimize(withDemo, context);
    expect(demosOf(candidate).length).toBeGreaterThan(0);
    expect(model.requests.filter(({ prompt }) => prompt.turns.some(({ user }) => user === prompt.user))).toEqual([]);
  });

  test('never shows a val row to the prompt model, nor as a demo', async () => {
    const { context, parent, model, writer: asked } = setting();
    await miproV2().optimize(parent, context);
    const isVal = (text: string) => /\b[45]\d\b/.test(text);
    expect(asked.requests.filter(({ prompt }) => isVal(prompt.user))).toEqual([]);
    expect(model.requests.flatMap(({ prompt }) => prompt.turns).filter(({ user }) => isVal(user))).toEqual([]);
  });
});

describe('the parameters', () => {
  test.each([
    ['light', 1, 9, 10],
    ['light', 2, 10, 20],
    ['medium', 1, 18, 18],
    ['medium', 3, 21, 43],
    ['heavy', 2, 27, 33],
  ] as const)(
    'of auto %s with %i predictors make %i trials for instructions only, %i with demos',
    (auto, predictors, zeroShot, fewShot) => {
      const trialsWith = (given: object) => {
        const settings = miproParameters.parse({ auto, ...given });
        return planOf(settings, { train: 40, val: 400, predictors }).trials;
      };
      expect(trialsWith({ maxBootstrappedDemos: 0, maxLabeledDemos: 0 })).toBe(zeroShot);
      expect(trialsWith({})).toBe(fewShot);
    },
  );

  test('of auto cap the val rows, and draw only a quarter of the trials at random', () => {
    const plan = (given: object) => planOf(miproParameters.parse(given), { train: 40, val: 400, predictors: 1 });
    expect(plan({})).toEqual({
      demoSets: 6,
      instructions: 3,
      trials: 10,
      startupTrials: 2,
      judgedRows: 100,
      minibatchRows: 35,
    });
    // Chat formats and choice rules are variables of the search like demos and instructions.
    expect(plan({ chatFormats: ['json', 'value'], choiceRules: ['greedy', 'calibrated'] }).trials).toBe(20);
    expect(plan({ auto: 'heavy', startupTrials: 9 })).toMatchObject({ startupTrials: 9, judgedRows: 400 });
  });

  test('that contradict each other are all named', async () => {
    expect(() => miproV2({ numTrials: 3, minibatch: true, minibatchSize: 101 })).toThrow(
      'miproV2: auto "light" chooses numCandidates and numTrials itself.\n' +
        'miproV2: a minibatch of 101 rows cannot be drawn from 100.',
    );
    expect(() => miproV2({ auto: null, numTrials: 3 })).toThrow('numCandidates and numTrials are not both given');
    const { context, parent } = setting();
    await expect(miproV2({ minibatch: true, minibatchSize: 21 }).optimize(parent, context)).rejects.toThrow(
      'miproV2: a minibatch of 21 rows cannot be drawn from 20.',
    );
  });

  test('say about how many calls there will be', async () => {
    const { context, parent, model, writer: asked } = setting({ val: examples(40, 120) });
    await miproV2().optimize(parent, context);
    const expected = miproV2().expectedCalls({ train: 40, val: 80, predictors: 1 });
    const made = model.requests.length + asked.requests.length;
    expect(made / expected).toBeGreaterThan(0.7);
    expect(made / expected).toBeLessThan(1.1);
  });

  test('of auto judge on a random part of many val rows', async () => {
    const { context, parent, model } = setting({ val: examples(100, 300) });
    await miproV2().optimize(parent, context);
    const asked = model.requests.slice(0, 100).map(({ prompt }) => Number(prompt.user));
    expect(new Set(asked).size).toBe(100);
    expect(Math.max(...asked)).toBeGreaterThan(250);
  });
});
