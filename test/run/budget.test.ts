import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { LmRequest } from '../../src/core/lm.ts';
import { budgetRun } from '../support/budget-run.ts';
import { drawFor, meteredModel } from '../support/metered-model.ts';
import { ownStore } from '../support/own-store.ts';
import { student } from '../support/parity-task.ts';
import { scriptedModel } from '../support/scripted-model.ts';

const skill = ({ model, prompt }: LmRequest) => 3 + Math.min(4, prompt.turns.length) + (model.adapter ? 2 : 0);
const learner = (delayOf?: (request: LmRequest) => number) => meteredModel(student(skill), delayOf ? { delayOf } : {});
const writer = () => meteredModel(scriptedModel(() => [JSON.stringify('Look at the last digit.').slice(1)], 'writer'));

type Options = Parameters<typeof budgetRun>[1];

async function spentBy(model: ReturnType<typeof learner>, options: Options) {
  const { run, madeInSteps } = budgetRun(model, options);
  const { summary } = await run;
  const { calls, metricCalls, tokens } = summary.budget!;
  return { summary, calls: calls.spent, metricCalls: metricCalls.spent, tokens: tokens.spent, made: madeInSteps() };
}

describe('one limit', () => {
  test.each([
    ['maxCalls', 'calls', 50],
    ['maxMetricCalls', 'metricCalls', 50],
    ['maxTokens', 'tokens', 4000],
  ] as const)('%s ends the search with the best so far, and is used', async (limit, unit, most) => {
    const free = await spentBy(learner(), { strategy: 'p' });
    const { summary, ...spent } = await spentBy(learner(), { strategy: 'p', [limit]: most });
    expect(free[unit]).toBeGreaterThan(most);
    expect(spent[unit]).toBeLessThanOrEqual(most);
    expect(spent[unit]).toBeGreaterThan(most / 2);
    expect(summary.budget![unit].limit).toBe(most);
    expect(summary.notices.map(({ code }) => code)).toContain('budget-ends-search');
    expect(summary.chosen.strategy).toBe('p');
  });

  test('what is asked outside of the steps is not counted', async () => {
    const { summary, calls } = await spentBy(learner(), { strategy: 'c', maxCalls: 1 });
    expect(calls).toBe(1);
    expect(summary.candidates.map(({ val }) => val?.n)).toEqual([12]);
  });
});

describe('a budget that ends in the middle of a step', () => {
  test.each([
    ['maxCalls', 43],
    ['maxMetricCalls', 43],
    ['maxTokens', 3500],
  ] as const)('%s: the best that was judged until then is kept, and a notice says so', async (limit, most) => {
    const { summary } = await spentBy(learner(), { strategy: 'c', [limit]: most });
    expect(summary.flagCompilationErrorOccurred).toBe(false);
    expect(summary.notices.map(({ code }) => code)).toContain('budget-ends-search');
    const [baseline, kept] = summary.candidates;
    expect(kept!.val!.mean).toBeGreaterThan(baseline!.val!.mean);
  });

  test('the labels are still learned from when no attempt can be paid for', async () => {
    const { summary } = await spentBy(learner(), { strategy: 'w', maxMetricCalls: 1 });
    expect(summary.notices.map(({ code }) => code)).toContain('budget-ends-bootstrapping');
    expect(summary.candidates.map(({ strategy }) => strategy)).toEqual(['', 'w']);
  });
});

const budgets = fc.record({
  maxCalls: fc.option(fc.integer({ min: 1, max: 300 })),
  maxMetricCalls: fc.option(fc.integer({ min: 1, max: 300 })),
  maxTokens: fc.option(fc.integer({ min: 1, max: 30_000 })),
});
const setting = fc.record({
  strategy: fc.constantFrom('p', 'g', 'c', 'c -> p', 'w -> c'),
  predictors: fc.constantFrom(1 as const, 2 as const),
});

/** So few that a step ends in the middle, as often as not. */
const tokens = fc.integer({ min: 300, max: 9000 });

const infinite = (limit: number | null) => limit ?? Number.POSITIVE_INFINITY;

describe('any budget', () => {
  test('is never exceeded by a call or a token, and the run ends with a result', async () => {
    await fc.assert(
      fc.asyncProperty(budgets, setting, async (limits, { strategy, predictors }) => {
        const model = learner();
        const prompter = writer();
        const counter = () => model.tokens() + prompter.tokens();
        const options = { strategy, predictors, promptModel: prompter, counter, ...limits };
        const { summary, calls, metricCalls, tokens, made } = await spentBy(model, options);
        expect(calls).toBeLessThanOrEqual(infinite(limits.maxCalls));
        expect(metricCalls).toBeLessThanOrEqual(infinite(limits.maxMetricCalls));
        expect(made).toBeLessThanOrEqual(tokens);
        expect(tokens).toBeLessThanOrEqual(infinite(limits.maxTokens));
        expect(summary.candidates.length).toBeGreaterThan(0);
      }),
      { numRuns: 20 },
    );
  });

  test('is spent in the same way whatever the order in which answers arrive, and however many examples are under way', async () => {
    await fc.assert(
      fc.asyncProperty(
        tokens,
        setting,
        fc.integer({ min: 1, max: 9 }),
        async (maxTokens, { strategy, predictors }, seed) => {
          const options = { strategy, predictors, maxTokens };
          const inOrder = await spentBy(learner(), { ...options, numThreads: 1, promptModel: writer() });
          const shuffled = learner((request) => drawFor(request, `delay ${seed}`, 6));
          const late = await spentBy(shuffled, { ...options, numThreads: 8, promptModel: writer() });
          expect(late.summary.digest).toBe(inOrder.summary.digest);
        },
      ),
      { numRuns: 8 },
    );
  });

  test('comes to the same when everything is remembered, without a call', async () => {
    await fc.assert(
      fc.asyncProperty(budgets, setting, async (limits, { strategy, predictors }) => {
        const store = ownStore();
        const options = { strategy, predictors, store, ...limits };
        const first = await spentBy(learner(), { ...options, promptModel: writer() });
        const silent = learner();
        const silentWriter = writer();
        const again = { ...options, sources: ['another run on the same store'], promptModel: silentWriter };
        const second = await spentBy(silent, again);
        expect(silent.requests.length + silentWriter.requests.length).toBe(0);
        expect({ ...second, summary: second.summary.digest }).toEqual({ ...first, summary: first.summary.digest });
      }),
      { numRuns: 8 },
    );
  });
});
