import { expect, test } from 'vitest';
import { leftText, limitsText, spentText } from '../../src/report/budget-text.ts';
import { budgetState } from '../../src/run/budget-limits.ts';

const limits = { maxCalls: 100, maxTokens: 5000, maxMinutes: 2.5 };

test('limits are told by what they limit', () => {
  expect(limitsText(budgetState(limits))).toBe('100 model calls, 5,000 tokens, 2.5 minutes');
});

test('what is left is never less than nothing', () => {
  const state = budgetState(limits, { calls: 96, metricCalls: 7, tokens: 5100, minutes: 1.26 });
  expect(leftText(state)).toBe('4 model calls, 0 tokens, 1.2 minutes');
});

test('what was spent stands beside its limit', () => {
  expect(spentText(budgetState({ maxMetricCalls: 40 }, { calls: 96, metricCalls: 7 }))).toBe('7 of 40 metric calls');
});

test('without limits there is nothing to tell', () => {
  expect(spentText(budgetState({}, { calls: 96 }))).toBe('');
});
