import { InputError } from '../../core/errors.ts';
import type { WorkSizes } from '../../core/optimizer.ts';
import type { GepaSettings } from './parameters.ts';

/** Accepted candidates that an automatic budget has room for. */
const acceptedIn = { light: 6, medium: 12, heavy: 18 } as const;

/** Proposals that one accepted candidate takes, for each predictor. */
const proposalsForOne = 4;

/** Throws an InputError that names the budgets when there is more than one. */
export function requireOneBudget({ auto, maxFullEvals, maxMetricCalls }: GepaSettings): void {
  const given = Object.entries({ auto, maxFullEvals, maxMetricCalls }).filter(([, value]) => value !== null);
  if (given.length > 1)
    throw new InputError(
      'optimizer-parameter',
      [`gepa has ${given.length} budgets: ${given.map(([name, value]) => `${name} ${value}`).join(', ')}.`],
      'Give one of auto, maxFullEvals and maxMetricCalls; none is auto: "light".',
    );
}

/** Metric calls that the search may make. Without val rows train is both. */
export function metricCallBudget(settings: GepaSettings, sizes: WorkSizes): number {
  const { auto, maxFullEvals, maxMetricCalls } = settings;
  if (maxMetricCalls !== null) return maxMetricCalls;
  if (maxFullEvals !== null) return maxFullEvals * (sizes.train + sizes.val);
  const judged = sizes.val || sizes.train;
  const accepted = acceptedIn[auto ?? 'light'];
  return judged + accepted * (judged + proposalsForOne * sizes.predictors * callsOfProposal(settings, sizes));
}

/** What a proposal costs before it is accepted: its parent's minibatch and its own. */
const callsOfProposal = ({ reflectionMinibatchSize }: GepaSettings, { train }: WorkSizes): number =>
  2 * Math.min(reflectionMinibatchSize, train);

/** Requests that a search with this budget makes when one in so many proposals is accepted, as the automatic budgets assume. */
export function expectedRequests(settings: GepaSettings, sizes: WorkSizes): number {
  const { predictors } = sizes;
  const metricCalls = metricCallBudget(settings, sizes);
  const judged = sizes.val || sizes.train;
  const callsOfIteration = callsOfProposal(settings, sizes) + judged / (proposalsForOne * predictors);
  const iterations = Math.max(0, metricCalls - judged) / Math.max(1, callsOfIteration);
  const asked = settings.componentSelector === 'all' ? predictors : 1;
  return Math.round(metricCalls * predictors + iterations * asked);
}
