import { describe, expect, test } from 'vitest';
import { candidateOf, program as programOf } from '../../src/core/callable.ts';
import { type Candidate, candidateId, type Demo, withPredictor } from '../../src/core/candidate.ts';
import { type Example, example } from '../../src/core/example.ts';
import type { LmRequest } from '../../src/core/lm.ts';
import type { Teacher } from '../../src/core/optimizer.ts';
import { simba } from '../../src/optimize/simba.ts';
import { problem } from '../support/laboratory.ts';
import { observe } from '../support/laboratory-run.ts';
import { writer } from '../support/laboratory-writer.ts';
import { type ContextOptions, optimizerContext } from '../support/optimizer-context.ts';
import { numbers, parity, program, rightKind, student } from '../support/parity-task.ts';
import { answered } from '../support/responses.ts';
import { type ScriptedModel, scriptedModel } from '../support/scripted-model.ts';

const examples = (first: number, end: number): Example[] =>
  numbers(first, end).map(({ number, kind }) => example({ number }, { kind }));

const otherKind = (text: string) => (rightKind(text) === 'odd' ? 'even' : 'odd');
const isDaring = ({ sampling }: LmRequest) => sampling.temperature > 0 && sampling.seed % 2 === 1;

/** Wrong, but for half of the sampled answers, and where it is told or shown how. */
const learner = () =>
  scriptedModel((request) => {
    const { prompt } = request;
    const isTaught = prompt.system.includes('last digit') || prompt.turns.length > 0;
    return [isTaught || isDaring(request) ? rightKind(prompt.user) : otherKind(prompt.user)];
  });

const adviser = (advice: string) => scriptedModel(() => [JSON.stringify(advice).slice(1)], 'adviser');
const silent = () => adviser('');

interface Setting extends Partial<ContextOptions> {
  readonly parameters?: Parameters<typeof simba>[0];
  readonly model?: ScriptedModel;
  readonly start?: (start: Candidate) => Candidate;
  readonly teachers?: readonly Teacher[];
}

/** One small search: a batch of 8, four sampled runs of each example. */
async function search({ parameters, model = learner(), start = (same) => same, teachers, ...options }: Setting = {}) {
  const student = program(model);
  const made = optimizerContext(model, student.structure, {
    train: examples(0, 8),
    val: examples(40, 48),
    promptModel: silent(),
    ...options,
  });
  const context = teachers ? { ...made.context, teachers } : made.context;
  const parent = start(candidateOf(student));
  const optimizer = simba({ bsize: 8, numCandidates: 4, maxSteps: 1, ...parameters });
  const optimized = await optimizer.optimize(parent, context);
  const children = made.proposed.map(({ candidate }) => candidate.predictors.predict!);
  return { ...made, ...optimized, parent, children, model, notices: made.notices };
}

const stepsOf = ({ details }: Awaited<ReturnType<typeof search>>) => details?.steps as unknown as readonly StepJson[];
interface StepJson {
  readonly sampled: number;
  readonly start: number | null;
  readonly candidates: readonly { readonly source: string }[];
}

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

  test('stops being added when instructions fill a quarter of the context', async () => {
    const start = (candidate: Candidate) => withPredictor(candidate, 'predict', { instructions: 'x'.repeat(960) });
    const { children } = await search({
      parameters: { maxDemos: 0 },
      promptModel: adviser('Look at the last digit.'),
      start,
    });
    expect(children).toEqual([]);
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
      maxCalls: oneStep + 20,
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

/** A start that is shown these examples. */
function withDemos(shown: readonly Example[]): (start: Candidate) => Candidate {
  const demos = shown.map(({ id, inputs, labels }): Demo => ({ inputs, outputs: labels, source: id }));
  return (start) => withPredictor(start, 'predict', { demos });
}

/** Right in half of its sampled answers, whatever the prompt. */
const daring = () =>
  scriptedModel((request) => [isDaring(request) ? rightKind(request.prompt.user) : otherKind(request.prompt.user)]);

/** Three times out of four it would rather say odd. */
function leaning(): ScriptedModel {
  return scriptedModel((request) => {
    const kind = isDaring(request) ? rightKind(request.prompt.user) : otherKind(request.prompt.user);
    const plan = request.answer!;
    const probabilities = request.choice === 'greedy' ? null : [0.75, 0.25];
    return answered(
      plan.map((part) => (part.type === 'text' ? part.text : kind)),
      { choices: plan.map((part) => (part.type === 'choice' ? { confidence: 0.75, probabilities } : null)) },
    );
  });
}

/** Two predictors, both of which see the number. */
const pair = (model: ScriptedModel) =>
  programOf({
    predictors: { first: parity, second: parity },
    run: async ({ number }: { number: string }, call) => {
      await call('first', { number });
      return call('second', { number });
    },
  }).withLm(model);
