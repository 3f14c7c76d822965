import { expect, test } from 'vitest';
import { InputError } from '../../src/core/errors.ts';
import { budgetRun } from '../support/budget-run.ts';
import { meteredModel } from '../support/metered-model.ts';
import { student } from '../support/parity-task.ts';

test('limits that are none are refused, all at once, before anything is asked', () => {
  const model = student(() => 3);
  const limits = { maxCalls: 0, maxMetricCalls: 1.5, maxTokens: '900', maxMinutes: Number.NaN };
  // `as`: who writes no TypeScript may give anything.
  expect(() => budgetRun(model, limits as object)).toThrow(
    new InputError(
      'budget-limit',
      [
        'maxCalls is 0; it is a whole number of calls, at least 1.',
        'maxMetricCalls is 1.5; it is a whole number of metric calls, at least 1.',
        'maxTokens is "900"; it is a whole number of tokens, at least 1.',
        'maxMinutes is null; it is a number of minutes above 0.',
      ],
      'Leave a limit out, or give null, for none.',
    ),
  );
  expect(model.requests).toEqual([]);
});

test('null is no limit, and half a minute is one', async () => {
  const { run } = budgetRun(
    student(() => 3),
    { strategy: 'p', maxCalls: null, maxTokens: null, maxMinutes: 0.5 },
  );
  const { budget } = (await run).summary;
  expect([budget!.calls.limit, budget!.tokens.limit, budget!.minutes.limit]).toEqual([null, null, 0.5]);
});

/** A student whose host counts so many tokens from its sixteenth answer on, the fourth of the step: before that nobody can know. */
function miscounting(prompt: number) {
  let answers = 0;
  const usageOf = () => ({ prompt: ++answers > 15 ? prompt : 20, cachedPrompt: 0, completion: 3 });
  return meteredModel(
    student(() => 3),
    { usageOf },
  );
}

async function ofMiscounting(prompt: number) {
  const { run } = budgetRun(miscounting(prompt), { strategy: 'p', maxTokens: 20_000, numThreads: 1 });
  const { budget, notices } = (await run).summary;
  const told = notices.filter(({ code }) => code === 'tokens-over-bound').map(({ message }) => message);
  return { spent: budget!.tokens.spent, told };
}

test('a host that counts more tokens than a request can have gets more room from then on, and the limit holds', async () => {
  const { spent, told } = await ofMiscounting(8000);
  expect(spent).toBeGreaterThan(8000);
  expect(spent).toBeLessThanOrEqual(20_000);
  expect(told).toEqual([expect.stringMatching(/from here on that is allowed for\.$/)]);
});

test('where such a host passes the limit, a notice says by how much', async () => {
  const { spent, told } = await ofMiscounting(30_000);
  expect(told).toEqual([expect.stringContaining(`The limit of 20000 tokens was passed: ${spent} were spent.`)]);
});
