import { describe, expect, test } from 'vitest';
import { candidateOf, predict, program as programOf } from '../../../src/core/callable.ts';
import { candidateId } from '../../../src/core/candidate.ts';
import { signature } from '../../../src/core/signature.ts';
import { miproV2 } from '../../../src/optimize/mipro/mipro-v2.ts';
import {
  demosOf,
  detail,
  examples,
  helpable,
  type Log,
  leaning,
  setting,
  small,
  stubborn,
} from '../../support/mipro-setting.ts';
import { pairProgram, parity, student } from '../../support/parity-task.ts';

describe('minibatches', () => {
  const val = examples(100, 180);
  const minibatched = { auto: null, numCandidates: 6, minibatch: true, minibatchSize: 10 } as const;

  test.each([
    [4, 'F mmmm F'],
    [6, 'F mmmmm F m F'],
    [12, 'F mmmmm F mmmmm F mm F'],
  ])('of %i trials are followed by full scores in the order %s', async (numTrials, order) => {
    // Demos and instructions differ in what they are worth, but never reach full marks.
    const { context, parent } = setting({ val });
    const result = await miproV2({ ...minibatched, numTrials }).optimize(parent, context);
    const kinds = detail<Log[]>(result, 'trialLogs').map(({ kind }) => (kind === 'full' ? ' F ' : 'm'));
    expect(kinds.join('').trim()).toBe(order);
  });

  test('are drawn from val for each trial anew, as many rows as wanted', async () => {
    const { context, parent } = setting({ val });
    const batches: string[] = [];
    const watched = {
      ...context,
      evaluate: (...[candidate, rows, options]: Parameters<typeof context.evaluate>) => {
        if (rows.length === 10) batches.push(rows.map(({ inputs }) => inputs.number).join(' '));
        return context.evaluate(candidate, rows, options);
      },
    };
    await miproV2({ ...minibatched, numTrials: 4 }).optimize(parent, watched);
    expect(new Set(batches).size).toBe(4);
    const drawn = batches.map((batch) => batch.split(' '));
    expect(drawn.map((numbers) => new Set(numbers).size)).toEqual([10, 10, 10, 10]);
    expect(drawn.flat().filter((number) => !val.some(({ inputs }) => inputs.number === number))).toEqual([]);
  });

  test('lead the one with the best mean to a full score', async () => {
    const { context, parent } = setting({ val });
    const settings = { ...minibatched, numTrials: 6, minibatchFullEvalSteps: 6 };
    const result = await miproV2(settings).optimize(parent, context);
    const [best] = detail<{ candidate: string; mean: number }[]>(result, 'minibatchCandidates');
    const logs = detail<{ kind: string; candidate: string }[]>(result, 'trialLogs');
    expect(logs.at(-1)).toMatchObject({ kind: 'full', candidate: best?.candidate });
  });

  test('go to every combination once before any is tried on a second one', async () => {
    const { context, parent } = setting({ val, model: stubborn() });
    const nineCombinations = { ...minibatched, numCandidates: 3, minibatchFullEvalSteps: 20 };
    const minibatches = async (numTrials: number) => {
      const result = await miproV2({ ...nineCombinations, numTrials }).optimize(parent, context);
      return detail<{ minibatches: number }[]>(result, 'minibatchCandidates').map((one) => one.minibatches);
    };
    expect(await minibatches(8)).toEqual([1, 1, 1, 1, 1, 1, 1, 1]);
    expect((await minibatches(9)).toSorted()).toEqual([1, 1, 1, 1, 1, 1, 1, 2]);
  });

  test('are not used for few val rows, unless they are wanted', async () => {
    const kindsOf = async (settings: object) => {
      const { context, parent } = setting({ val: examples(100, 140) });
      const result = await miproV2({ ...small, ...settings }).optimize(parent, context);
      return [...new Set(detail<Log[]>(result, 'trialLogs').map(({ kind }) => kind))];
    };
    expect(await kindsOf({})).toEqual(['full']);
    expect(await kindsOf({ minibatch: true })).toEqual(['full', 'minibatch']);
  });
});

describe('the budget', () => {
  test.each([0, 10, 25, 60, 100, 200])('of %i calls is never exceeded, and something is returned', async (maxCalls) => {
    const { context, parent, notices } = setting({ maxCalls, val: examples(40, 60) });
    const { candidate, trials } = await miproV2().optimize(parent, context);
    expect(trials.map((trial) => candidateId(trial.candidate))).toContain(candidateId(candidate));
    expect(notices.length).toBeGreaterThan(0);
  });

  test('has room for calibrations, and for programs that ask more than once', async () => {
    const twice = programOf({
      predictors: { predict: parity },
      run: async ({ number }: { number: string }, call) => {
        await call('predict', { number });
        return call('predict', { number });
      },
    });
    for (let maxCalls = 50; maxCalls < 300; maxCalls += 25) {
      const calibrating = setting({ model: leaning(), maxCalls });
      await miproV2({ choiceRules: ['calibrated'] }).optimize(calibrating.parent, calibrating.context);
      const asking = setting({ structure: twice.structure, maxCalls });
      await miproV2().optimize(asking.parent, asking.context);
    }
  });

  test('ends the proposals with a notice before it ends the search', async () => {
    const { context, parent, notices } = setting({ maxCalls: 30 });
    await miproV2().optimize(parent, context);
    expect(notices).toContain('budget-ends-proposals');
  });

  test('keeps enough for a full score after the minibatches', async () => {
    const { context, parent } = setting({ maxCalls: 450, val: examples(100, 200) });
    const result = await miproV2().optimize(parent, context);
    expect(detail<Log[]>(result, 'trialLogs').at(-1)).toMatchObject({ kind: 'full' });
    expect(candidateId(result.candidate)).not.toBe(candidateId(parent));
  });

  test('is not eaten up by a student that is never right', async () => {
    const { context, parent } = setting({ model: student(() => 0), maxCalls: 400, train: examples(100, 400) });
    const result = await miproV2().optimize(parent, context);
    const calls = detail<{ [part: string]: number }>(result, 'calls');
    expect(calls.demoSets).toBeLessThanOrEqual(380 / 3);
    expect(detail(result, 'proposals')).toMatchObject({ usable: 2 });
    expect(detail<Log[]>(result, 'trialLogs').length).toBe(11);
  });
});

describe('what is searched', () => {
  test('includes chat formats', async () => {
    const model = student(({ prompt }) => (prompt.system.includes('JSON') ? 5 : 9));
    const { context, parent } = setting({ model });
    const formats = miproV2({ ...small, chatFormats: ['json', 'value'] });
    expect((await formats.optimize(parent, context)).candidate.predictors.predict?.chatFormat).toBe('value');
  });

  test('includes choice rules', async () => {
    const model = student(({ choice }) => (choice === 'greedy' ? 5 : 9));
    const { context, parent } = setting({ model });
    const rules = miproV2({ ...small, choiceRules: ['greedy', 'most-probable'] });
    expect((await rules.optimize(parent, context)).candidate.predictors.predict?.choice).toBe('most-probable');
  });

  test('includes calibration, with priors for each prompt, and counts what that takes', async () => {
    const model = leaning();
    const { context, parent } = setting({ model });
    const result = await miproV2({ ...small, choiceRules: ['greedy', 'calibrated'] }).optimize(parent, context);
    expect(result.candidate.predictors.predict?.choice).toEqual({
      priors: { kind: [expect.closeTo(0.6, 9), expect.closeTo(0.4, 9)] },
    });
    expect(detail<{ calibrations: number }>(result, 'calls').calibrations % 32).toBe(0);
    expect(detail<{ calibrations: number }>(result, 'calls').calibrations).toBeGreaterThan(0);
  });

  test('refits the demos to a chat format that needs more tokens for them', async () => {
    const { context, parent } = setting({ model: stubborn() });
    const settings = { ...small, numCandidates: 3, numTrials: 20, maxDemoTokens: 64 };
    const { trials } = await miproV2({ ...settings, chatFormats: ['json', 'markers'] }).optimize(parent, context);
    const mostIn = (format: string) =>
      Math.max(
        ...trials
          .filter(({ candidate }) => candidate.predictors.predict?.chatFormat === format)
          .map(({ candidate }) => demosOf(candidate).length),
      );
    expect([mostIn('json'), mostIn('markers')]).toEqual([3, 1]);
  });

  test('never includes a chat format that is not wanted, but for the start', async () => {
    const { context, parent } = setting();
    const { trials } = await miproV2({ ...small, chatFormats: ['lines', 'value'] }).optimize(parent, context);
    expect(trials[0]?.candidate).toBe(parent);
    const others = trials.slice(1).map(({ candidate }) => candidate.predictors.predict?.chatFormat);
    expect(new Set(others)).toEqual(new Set(['lines', 'value']));
  });

  test('is a chat format that at least one predictor can use', async () => {
    const two = predict(signature("number -> kind: 'odd' | 'even', size: 'small' | 'large'"));
    const { context, parent } = setting({ structure: two.structure });
    await expect(miproV2({ chatFormats: ['value'] }).optimize(parent, context)).rejects.toThrow(
      'The chat format "value" is for one output',
    );
  });

  test('is chosen for each predictor by itself', async () => {
    const model = helpable();
    const both = pairProgram(model);
    const { context } = setting({ model, structure: both.structure });
    const { trials } = await miproV2().optimize(candidateOf(both), context);
    const prompts = trials.map(({ candidate }) =>
      Object.values(candidate.predictors).map(({ instructions, demos }) => `${instructions} ${demos.length}`),
    );
    expect(prompts.some(([first, second]) => first !== second)).toBe(true);
    expect(trials[1]?.note).toMatch(/^first instruction \d, first demos \d, second instruction \d, second demos \d$/);
  });
});
