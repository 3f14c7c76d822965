import { describe, expect, test } from 'vitest';
import { candidateOf, program as programOf } from '../../../src/core/callable.ts';
import { type Candidate, candidateId } from '../../../src/core/candidate.ts';
import type { Metric } from '../../../src/core/metric.ts';
import { simba } from '../../../src/optimize/simba/simba.ts';
import { problem } from '../../support/laboratory.ts';
import { observe } from '../../support/laboratory-run.ts';
import { writer } from '../../support/laboratory-writer.ts';
import { optimizerContext } from '../../support/optimizer-context.ts';
import { parity, program, rightKind, student } from '../../support/parity-task.ts';
import { scriptedModel } from '../../support/scripted-model.ts';
import { examples, isDaring, learner, otherKind, pair, search, silent, stepsOf } from '../../support/small-simba.ts';

describe('the search', () => {
  test('runs each example as often as it has candidates, and knows how the start does on the batch', async () => {
    const { model, ...rest } = await search();
    const sampled = model.requests.filter(({ sampling }) => sampling.temperature > 0);
    const times = examples(0, 8).map(
      ({ inputs }) => sampled.filter(({ prompt }) => prompt.user === inputs.number).length,
    );
    expect(times).toEqual([4, 4, 4, 4, 4, 4, 4, 4]);
    expect(stepsOf({ model, ...rest })[0]?.start).toBe(0);
  });

  test('makes batches of a train set that is smaller than one, with a notice', async () => {
    const { details, notices } = await search({ parameters: { bsize: 32 } });
    expect(details?.bsize).toBe(8);
    expect(notices).toContain('train-is-one-batch');
  });

  test('keeps the start on an empty train set', async () => {
    const { candidate, parent, notices } = await search({ train: [] });
    expect(candidate).toBe(parent);
    expect(notices).toEqual(['start-kept']);
  });

  test('learns from a teacher what the student never does', async () => {
    const teacher = program(student(() => 10, 'teacher'));
    const model = scriptedModel(({ prompt, model: { base } }) => [
      base === candidateOf(teacher).predictors.predict!.model.base ? rightKind(prompt.user) : otherKind(prompt.user),
    ]);
    const given = { structure: teacher.structure, candidate: candidateOf(teacher) };
    const { children } = await search({ model, teachers: [given] });
    expect(children.map(({ demos }) => demos[0]?.outputs.kind)).toEqual(
      children.map(({ demos }) => rightKind(String(demos[0]?.inputs.number))),
    );
    expect(children.length).toBeGreaterThan(0);
  });

  test("goes by the optimizer's own metric where there is one, in all that it measures", async () => {
    const metric: Metric = (_, outputs) => outputs.kind === 'even';
    const { children, trials } = await search({ parameters: { metric } });
    expect(new Set(children.flatMap(({ demos }) => demos.map(({ outputs }) => outputs.kind)))).toEqual(
      new Set(['even']),
    );
    // Half of the numbers are even, whether one says so of them or of the others.
    expect(trials[0]?.score).toBe(0.5);
  });

  test('lets predictors have models of their own, and leaves them', async () => {
    const both = pair(learner()).withLm(
      scriptedModel(() => [], 'other'),
      'second',
    );
    const parent = candidateOf(both);
    const { context } = optimizerContext(learner(), both.structure, {
      train: examples(0, 8),
      val: examples(40, 48),
      promptModel: silent(),
    });
    const settings = { bsize: 8, numCandidates: 4, maxSteps: 1 };
    const { candidate } = await simba(settings).optimize(parent, context);
    const modelsOf = ({ predictors }: Candidate) => Object.values(predictors).map(({ model }) => model);
    expect(candidate).not.toEqual(parent);
    expect(modelsOf(candidate)).toEqual(modelsOf(parent));
  });

  test('never shows an example its own demo', async () => {
    const { model } = await search({ parameters: { maxSteps: 3 } });
    const own = model.requests.filter(({ prompt }) => prompt.turns.some(({ user }) => user === prompt.user));
    expect(own).toEqual([]);
  });

  test('comes back to a start that is better than its children', async () => {
    const misled = scriptedModel((request) => {
      const { prompt } = request;
      return [prompt.turns.length > 0 || isDaring(request) ? otherKind(prompt.user) : rightKind(prompt.user)];
    });
    const parameters = { maxSteps: 2, temperatureForCandidates: 0.01 };
    const { parent, ...found } = await search({ model: misled, parameters, train: examples(0, 16) });
    const sources = stepsOf({ parent, ...found })[1]!.candidates.map(({ source }) => source);
    expect(new Set(sources)).toEqual(new Set([candidateId(parent)]));
  });

  test('lets the earlier one win among children that are as good', async () => {
    const [step] = stepsOf(await search());
    const best = Math.max(...step!.candidates.map(({ score }) => score));
    const winners = step!.candidates.filter(({ score }) => score === best);
    expect(winners.length).toBeGreaterThan(1);
    expect(step!.winner).toBe(winners[0]!.candidate);
  });

  test('does the same in its first steps however many follow', async () => {
    const firstStep = async (maxSteps: number) => stepsOf(await search({ parameters: { maxSteps } }))[0];
    expect(await firstStep(3)).toEqual(await firstStep(1));
  });

  test('samples the better programs the more often, the lower the temperature', async () => {
    // Who is taught is right, the start only now and then.
    const sampled = async (temperatureForSampling: number) =>
      stepsOf(await search({ parameters: { maxSteps: 2, temperatureForSampling } }))[1]!.sampled;
    expect(await sampled(0.01)).toBeGreaterThan(await sampled(100));
  });

  test('makes children of the better programs the more often, the lower the temperature', async () => {
    const ofTheStart = async (temperatureForCandidates: number) => {
      const parameters = { maxSteps: 3, temperatureForSampling: 100, temperatureForCandidates };
      const found = await search({ parameters, train: examples(0, 24) });
      const later = stepsOf(found)
        .slice(1)
        .flatMap(({ candidates }) => candidates);
      return later.filter(({ source }) => source === candidateId(found.parent)).length;
    };
    expect(await ofTheStart(0.01)).toBe(0);
    expect(await ofTheStart(100)).toBeGreaterThan(0);
  });
});

describe('what comes back', () => {
  test('is the best on val of the winners and the start', async () => {
    const { candidate, trials, details } = await search();
    expect(trials.map(({ note, score }) => [note, score])).toEqual([
      ['start', 0],
      ['step 1: demo', 1],
    ]);
    expect(candidate).toBe(trials[1]!.candidate);
    expect(details?.judgedOn).toBe('val');
  });

  test('is judged on train without val', async () => {
    const { trials, details } = await search({ val: [] });
    // The winner's own demo is not shown with the example that it is of.
    expect(trials.map(({ score }) => score)).toEqual([0, 7 / 8]);
    expect(details?.judgedOn).toBe('train');
  });

  test('is the start where a winner only ties', async () => {
    const helpless = scriptedModel((request) => [
      isDaring(request) ? rightKind(request.prompt.user) : otherKind(request.prompt.user),
    ]);
    const { candidate, parent, trials, notices } = await search({ model: helpless });
    expect(trials.map(({ score }) => score)).toEqual([0, 0]);
    expect(candidate).toBe(parent);
    expect(notices).toContain('start-kept');
  });

  test('was chosen among the start and at most as many winners as there are candidates, the last one among them', async () => {
    const task = problem({ helps: 'both' });
    const { optimized } = await observe(simba({ bsize: 8, numCandidates: 2, maxSteps: 5 }), task);
    expect(optimized.trials.map(({ note }) => note.split(':')[0])).toEqual(['start', 'step 3', 'step 5']);
  });
});

describe('a budget', () => {
  // A step asks 8 examples 4 times, and up to 5 children and the start once; then start and winner are judged on 8 val rows.
  const oneStep = 8 * (4 + 6) + 2 * 8;

  test('that has no room for a step and the judging of its winner is not touched', async () => {
    const { model, candidate, parent, notices } = await search({ maxCalls: oneStep - 1 });
    expect(model.requests).toEqual([]);
    expect(candidate).toBe(parent);
    expect(notices).toEqual(['budget-ends-search', 'start-kept']);
  });

  test('that has room for one step makes one, and judges its winner', async () => {
    const { trials } = await search({ maxCalls: oneStep, parameters: { maxSteps: 3 } });
    expect(trials.map(({ note }) => note)).toEqual(['start', 'step 1: demo']);
  });

  test('is kept by a program that calls a predictor several times', async () => {
    const threefold = programOf({
      predictors: { predict: parity },
      run: async ({ number }: { number: string }, call) => {
        await call('predict', { number });
        await call('predict', { number });
        return call('predict', { number });
      },
    }).withLm(learner());
    const { context, notices } = optimizerContext(learner(), threefold.structure, {
      train: examples(0, 8),
      val: examples(40, 48),
      promptModel: silent(),
      // Enough for what one call for each example would leave to be done.
      maxCalls: 3 * 32 + 100,
    });
    const parent = candidateOf(threefold);
    const { candidate } = await simba({ bsize: 8, numCandidates: 4 }).optimize(parent, context);
    expect(candidate).toBe(parent);
    expect(notices).toContain('budget-ends-search');
  });
});

test('about as many calls are expected as are made', async () => {
  const task = problem({ helps: 'both', sizes: { train: 64, val: 16, test: 0 } });
  const optimizer = simba({ bsize: 16, maxSteps: 4 });
  const { requests } = await observe(optimizer, task, { promptModel: writer({ finds: 0.5 }) });
  const made = requests.student.length + requests.promptModel.length;
  const expected = optimizer.expectedCalls({ train: 64, val: 16, predictors: 1 });
  expect(Math.abs(expected / made - 1)).toBeLessThan(0.1);
});
