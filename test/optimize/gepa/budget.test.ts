import { describe, expect, test } from 'vitest';
import { InputError } from '../../../src/core/errors.ts';
import { metricCallBudget } from '../../../src/optimize/gepa/budget.ts';
import { gepa } from '../../../src/optimize/gepa/gepa.ts';
import { type GepaSettings, gepaParameters } from '../../../src/optimize/gepa/parameters.ts';

const sizes = { train: 40, val: 50, predictors: 1 };
const budget = (settings: Partial<GepaSettings>, of = sizes): number =>
  metricCallBudget(gepaParameters.parse(settings), of);

describe('the budget', () => {
  test.each([
    // The start, 6 accepted candidates, and 24 proposals on two minibatches of 3.
    ['light', 50 + 6 * 50 + 24 * 6],
    ['medium', 50 + 12 * 50 + 48 * 6],
    ['heavy', 50 + 18 * 50 + 72 * 6],
  ] as const)('%s follows from what GEPA does, the minibatch included', (auto, calls) => {
    expect(budget({ auto })).toBe(calls);
    expect(budget({ auto, reflectionMinibatchSize: 4 })).toBeGreaterThan(calls);
  });

  test('is light when none is given', () => {
    expect(budget({})).toBe(budget({ auto: 'light' }));
  });

  test('has proposals for every predictor', () => {
    expect(budget({}, { ...sizes, predictors: 2 })).toBe(50 + 6 * 50 + 48 * 6);
  });

  test('counts train where there is no val', () => {
    expect(budget({}, { ...sizes, val: 0 })).toBe(40 + 6 * 40 + 24 * 6);
  });

  test('is train and val, so often as is said', () => {
    expect(budget({ maxFullEvals: 3 })).toBe(270);
  });

  test('is given in one way only', () => {
    const two = () => gepa({ auto: 'light', maxMetricCalls: 30 });
    expect(two).toThrow(InputError);
    expect(two).toThrow('gepa has 2 budgets: auto light, maxMetricCalls 30.');
  });
});

describe('the expected requests', () => {
  test('are those of every predictor, and the proposals', () => {
    expect(gepa({ auto: 'light' }).expectedCalls(sizes)).toBe(494 + 24);
    expect(gepa({ maxMetricCalls: 494 }).expectedCalls(sizes)).toBe(494 + 24);
    expect(gepa({ maxMetricCalls: 100 }).expectedCalls({ ...sizes, predictors: 2 })).toBe(200 + 4);
  });

  test('ask for every predictor when all are rewritten at once', () => {
    const two = { ...sizes, predictors: 2 };
    const [turns, all] = [gepa(), gepa({ componentSelector: 'all' })].map((optimizer) => optimizer.expectedCalls(two));
    expect(all! - turns!).toBe(48);
  });
});
