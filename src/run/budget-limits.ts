import type { BudgetState } from '../core/budget.ts';
import { InputError, StepError } from '../core/errors.ts';
import type { Notice } from '../core/notice.ts';

/** What the steps of a run may spend in all; null: no limit. */
export interface BudgetLimits {
  /** Requests to models. */
  readonly maxCalls: number | null;
  /** Examples that are evaluated, each as often as it is. */
  readonly maxMetricCalls: number | null;
  /** Prompt and completion tokens of the requests. */
  readonly maxTokens: number | null;
  /** Active minutes of the run, over all its starts. */
  readonly maxMinutes: number | null;
}

export const noLimits: BudgetLimits = { maxCalls: null, maxMetricCalls: null, maxTokens: null, maxMinutes: null };

/** The limits beside what was spent, by default nothing. */
export const budgetState = (
  { maxCalls = null, maxMetricCalls = null, maxTokens = null, maxMinutes = null }: Partial<BudgetLimits>,
  { calls = 0, metricCalls = 0, tokens = 0, minutes = 0 }: { readonly [unit in keyof BudgetState]?: number } = {},
): BudgetState => ({
  calls: { spent: calls, limit: maxCalls },
  metricCalls: { spent: metricCalls, limit: maxMetricCalls },
  tokens: { spent: tokens, limit: maxTokens },
  minutes: { spent: minutes, limit: maxMinutes },
});

const units = { maxCalls: 'calls', maxMetricCalls: 'metric calls', maxTokens: 'tokens', maxMinutes: 'minutes' };

/** Throws an InputError that names every limit that is none. */
export function requireLimits(limits: BudgetLimits): void {
  const mistakes = namesOf(limits).flatMap((name) => {
    // `as unknown`: who writes no TypeScript may give anything.
    const value = limits[name] as unknown;
    const isMinutes = name === 'maxMinutes';
    const isRight = isMinutes
      ? Number.isFinite(value) && Number(value) > 0
      : Number.isSafeInteger(value) && Number(value) >= 1;
    if (isRight) return [];
    const wanted = isMinutes ? 'a number of minutes above 0' : `a whole number of ${units[name]}, at least 1`;
    return [`${name} is ${JSON.stringify(value) ?? String(value)}; it is ${wanted}.`];
  });
  if (mistakes.length > 0) throw new InputError('budget-limit', mistakes, 'Leave a limit out, or give null, for none.');
}

// `as`: the names of the limits, and no others.
const namesOf = (limits: BudgetLimits) =>
  (Object.keys(units) as (keyof typeof units)[]).filter((name) => limits[name] !== null);

/** What the clock decides, no seed does. */
export const noticesOfLimits = ({ maxMinutes }: BudgetLimits): Notice[] =>
  maxMinutes === null
    ? []
    : [
        {
          code: 'limit-in-minutes',
          message:
            'With a limit in minutes the clock decides where a search ends: the run resumes and replays as it was, but cannot be reproduced from scratch.',
        },
      ];

/** The same whichever limit was met first: which one that is may depend on the order in which answers arrive. */
export function budgetSpent(limits: BudgetLimits): StepError {
  const parts = namesOf(limits).map((name) => `${limits[name]} ${units[name]}`);
  return new StepError(
    'budget-spent',
    `The budget of ${parts.join(', ')} has nothing left for this.`,
    'Raise the limit (--max-calls, --max-metric-calls, --max-tokens, --max-minutes): everything computed so far is remembered.',
  );
}
