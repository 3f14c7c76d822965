import type { BudgetState } from '../core/budget.ts';

const units = [
  ['calls', 'model calls'],
  ['metricCalls', 'metric calls'],
  ['tokens', 'tokens'],
  ['minutes', 'minutes'],
] as const;

/** A limit that is in force. */
interface Limited {
  readonly unit: string;
  readonly spent: number;
  readonly limit: number;
}

const limitedIn = (budget: BudgetState): Limited[] =>
  units.flatMap(([name, unit]) => {
    const { spent, limit } = budget[name];
    return limit === null ? [] : [{ unit, spent, limit }];
  });

/** `100 model calls, 5,000 tokens`; empty without a limit. */
export const limitsText = (budget: BudgetState): string =>
  limitedIn(budget)
    .map(({ limit, unit }) => `${figure(limit)} ${unit}`)
    .join(', ');

/** What is left of each limit: `4 model calls, 1,200 tokens`; empty without a limit. */
export const leftText = (budget: BudgetState): string =>
  limitedIn(budget)
    .map(({ spent, limit, unit }) => `${figure(Math.max(0, limit - spent))} ${unit}`)
    .join(', ');

/** `96 of 100 model calls, 3,800 of 5,000 tokens`; empty without a limit. */
export const spentText = (budget: BudgetState): string =>
  limitedIn(budget)
    .map(({ spent, limit, unit }) => `${figure(spent)} of ${figure(limit)} ${unit}`)
    .join(', ');

/** Only minutes have fractions. */
const figure = (value: number): string => value.toLocaleString('en-US', { maximumFractionDigits: 1 });
