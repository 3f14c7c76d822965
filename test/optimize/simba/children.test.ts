import { describe, expect, test } from 'vitest';
import { candidateOf } from '../../../src/core/callable.ts';
import { type Candidate, withPredictor } from '../../../src/core/candidate.ts';
import { example } from '../../../src/core/example.ts';
import { simba } from '../../../src/optimize/simba/simba.ts';
import { optimizerContext } from '../../support/optimizer-context.ts';
import { rightKind, student } from '../../support/parity-task.ts';
import { scriptedModel } from '../../support/scripted-model.ts';
import {
  adviser,
  daring,
  examples,
  isDaring,
  leaning,
  learner,
  otherKind,
  pair,
  search,
  silent,
  withDemos,
} from '../../support/small-simba.ts';

describe('a child', () => {
  test('is shown what the best run of an example did', async () => {
    const { children, proposed } = await search();
    expect(children.flatMap(({ demos }) => demos.map(({ outputs }) => outputs.kind))).toEqual(
      children.map(({ demos }) => rightKind(String(demos[0]!.inputs.number))),
    );
    expect([...new Set(proposed.map(({ note }) => note))]).toEqual(['step 1: demo']);
  });

  test('is told what the prompt model advises, after its instructions', async () => {
    const { children } = await search({ parameters: { maxDemos: 0 }, promptModel: adviser('Look at the last digit.') });
    expect(children.map(({ instructions }) => instructions)).toEqual([
      'Is the number odd or even?\n\nLook at the last digit.',
    ]);
  });

  test('has no demos where none are wanted, whatever the start has', async () => {
    const { children } = await search({
      parameters: { maxDemos: 0 },
      promptModel: adviser('Be brief.'),
      start: withDemos(examples(20, 23)),
      model: daring(),
    });
    expect(children.map(({ demos }) => demos)).toEqual([[]]);
  });

  test('has no more demos than may be shown, whatever the start has', async () => {
    const { children } = await search({
      parameters: { maxDemos: 2 },
      start: withDemos(examples(20, 26)),
      model: daring(),
    });
    expect(children.map(({ demos }) => demos.length)).toEqual(children.map(() => 2));
  });

  test('has an example once: the newer demo replaces the older one', async () => {
    const { children } = await search({
      parameters: { maxDemos: 9 },
      start: withDemos(examples(0, 8)),
      model: daring(),
    });
    const sources = children.map(({ demos }) => demos.map(({ source }) => source));
    expect(children.length).toBeGreaterThan(0);
    expect(sources.map((ids) => new Set(ids).size)).toEqual(sources.map((ids) => ids.length));
  });

  test('has room for its new demo, which older ones make, and no demo that needs more tokens than there are', async () => {
    const long = example({ number: `${'0'.repeat(400)}1` }, { kind: 'odd' });
    const { children, model } = await search({
      parameters: { maxDemos: 9, maxDemoTokens: 40 },
      train: [long, ...examples(0, 7)],
      start: withDemos(examples(20, 26)),
      model: daring(),
    });
    expect(children.map(({ demos }) => demos.length)).toEqual([2, 2, 2, 2, 2]);
    expect(children.filter(({ demos }) => Number(demos[0]!.inputs.number) < 20)).toEqual([]);
    expect(children.filter(({ demos }) => Number(demos[1]!.inputs.number) >= 20)).toEqual([]);
    const shown = model.requests.flatMap(({ prompt }) => prompt.turns.map(({ user }) => user));
    expect(shown).not.toContain(long.inputs.number);
  });

  test('has long inputs cut in its demo, with a mark', async () => {
    const train = [example({ number: '1234567' }, { kind: 'odd' })];
    const { children } = await search({ parameters: { demoInputFieldMaxlen: 4 }, train });
    expect(children.map(({ demos }) => demos[0]?.inputs)).toEqual([{ number: '1234 … [cut]' }]);
  });

  test.each([
    ['right', 10],
    ['wrong', 0],
  ])('is not made where all runs are %s: nothing stands out', async (_, skill) => {
    const { proposed, notices, candidate, parent } = await search({ model: student(() => skill) });
    expect(proposed).toEqual([]);
    expect(notices).toEqual(['start-kept']);
    expect(candidate).toBe(parent);
  });

  test('learns from the one example on which a student that is right otherwise is sometimes wrong', async () => {
    const model = scriptedModel((request) => {
      const { user } = request.prompt;
      return [user === '3' && !isDaring(request) ? otherKind(user) : rightKind(user)];
    });
    const { children } = await search({ model });
    expect(children.map(({ demos }) => demos.map(({ inputs }) => inputs.number))).toEqual([['3']]);
  });

  test('of a calibrated start is calibrated anew', async () => {
    const model = leaning();
    const { children } = await search({
      model,
      start: (start) => withPredictor(start, 'predict', { choice: { priors: { kind: [0.01, 0.99] } } }),
    });
    expect(children.length).toBeGreaterThan(0);
    expect(children.map(({ choice }) => choice)).toEqual(children.map(() => ({ priors: { kind: [0.75, 0.25] } })));
  });
});

describe('advice', () => {
  test('is asked for with the better and the worse run, their scores, and what was expected', async () => {
    const promptModel = adviser('Look at the last digit.');
    await search({ parameters: { maxDemos: 0 }, promptModel, train: [example({ number: '7' }, { kind: 'odd' })] });
    expect(promptModel.requests[0]!.prompt.user).toBe(
      [
        'module: predict',
        'currentInstructions: Is the number odd or even?',
        'example: Expected: kind: odd',
        'Input: number: 7',
        'betterRun: Score 1 of 1.',
        'predict was given number: 7 and answered kind: odd',
        'worseRun: Score 0 of 1. kind should be "odd".',
        'predict was given number: 7 and answered kind: even',
      ].join('\n'),
    );
  });

  test('that quotes a row is not used', async () => {
    const quoting = adviser('Of one hundred and twenty three thousand say odd.');
    const train = [example({ number: 'one hundred and twenty three thousand' }, { kind: 'odd' })];
    const used = async (leakGuard: 'reject' | 'off') => {
      const { children } = await search({ parameters: { maxDemos: 0, leakGuard }, train, promptModel: quoting });
      return children.length;
    };
    expect([await used('reject'), await used('off')]).toEqual([0, 1]);
  });

  test('that the prompt model proves unable to give is not asked for again: demos go on', async () => {
    const promptModel = silent();
    const { children, notices } = await search({ parameters: { maxSteps: 3 }, promptModel });
    expect(children.filter(({ demos }) => demos.length === 0)).toEqual([]);
    expect(notices).toContain('prompt-model-unable');
    // Three requests of two tries each.
    expect(promptModel.requests).toHaveLength(6);
  });

  test('that nobody can give ends a search that wants no demos', async () => {
    const { details } = await search({ parameters: { maxSteps: 5, maxDemos: 0 } });
    expect(details?.steps).toHaveLength(1);
  });

  test('is not asked for when instructions fill a quarter of the context', async () => {
    const start = (candidate: Candidate) => withPredictor(candidate, 'predict', { instructions: 'x'.repeat(1000) });
    const promptModel = adviser('Look at the last digit.');
    await search({ parameters: { maxDemos: 0 }, promptModel, start });
    expect(promptModel.requests).toEqual([]);
  });

  test('is not added twice', async () => {
    const { children } = await search({
      parameters: { maxDemos: 0, maxSteps: 3 },
      promptModel: adviser('Be brief.'),
      model: daring(),
    });
    expect(children.map(({ instructions }) => instructions)).toEqual(['Is the number odd or even?\n\nBe brief.']);
  });

  test('is given to each predictor that ran', async () => {
    const both = pair(learner());
    const { context, proposed } = optimizerContext(learner(), both.structure, {
      train: examples(0, 8),
      val: [],
      promptModel: adviser('Look at the last digit.'),
    });
    await simba({ bsize: 8, numCandidates: 4, maxSteps: 1, maxDemos: 0 }).optimize(candidateOf(both), context);
    expect(Object.values(proposed[0]!.candidate.predictors).map(({ instructions }) => instructions)).toEqual([
      'Is the number odd or even?\n\nLook at the last digit.',
      'Is the number odd or even?\n\nLook at the last digit.',
    ]);
  });
});
