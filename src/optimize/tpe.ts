import type { Rng } from '../core/rng.ts';

/** One choice for each variable, as an index into its options. */
export type Combination = readonly number[];

/** A combination that was tried, and what it scored: higher is better. */
export interface Observation {
  readonly combination: Combination;
  readonly score: number;
}

interface SuggestOptions {
  /** As long as fewer combinations than this were observed, they are drawn uniformly. */
  readonly startupTrials: number;
  /** Combinations that may be suggested; default: all. */
  readonly isOpen?: (combination: Combination) => boolean;
}

/** Draws among which the most promising one is taken. */
const draws = 24;

/**
 * The combination to try next; null when none is open. `sizes` says how many options each variable has; observations are in the order in
 * which they were made, and need not have been suggested. A pure function of them and of the draws.
 *
 * The Tree-structured Parzen Estimator (Bergstra et al. 2011) over categorical variables, in optuna's multivariate form: what was tried is
 * split into the good and the rest, the density of each is estimated over whole combinations, so that options which are only good together
 * are seen to be; of some draws from the good that one is taken which is rarest among the rest.
 */
export function suggest(
  sizes: readonly number[],
  observations: readonly Observation[],
  rng: Rng,
  { startupTrials, isOpen = () => true }: SuggestOptions,
): Combination | null {
  const uniform = () => firstOpen(sizes.map(rng.int), sizes, isOpen);
  if (observations.length < startupTrials) return uniform();
  const [good, rest] = split(observations).map((group) => parzenEstimator(sizes, group)) as [Parzen, Parzen];
  let best: { readonly combination: Combination; readonly promise: number } | null = null;
  for (let drawn = 0; drawn < draws; drawn++) {
    const combination = drawFrom(good, rng);
    const promise = probability(good, combination) / probability(rest, combination);
    if ((best === null || promise > best.promise) && isOpen(combination)) best = { combination, promise };
  }
  return best?.combination ?? uniform();
}

/** How many of so many trials are the good ones. */
export const goodTrials = (trials: number): number => Math.min(Math.ceil(0.1 * trials), 25);

/** The good trials (ties to the earlier) and the rest, each in the order in which they were made. */
function split(observations: readonly Observation[]): [Combination[], Combination[]] {
  const byScore = observations.map((_, index) => index).sort((a, b) => observations[b]!.score - observations[a]!.score);
  const good = new Set(byScore.slice(0, goodTrials(observations.length)));
  const those = (isGood: boolean) =>
    observations.filter((_, index) => good.has(index) === isGood).map(({ combination }) => combination);
  return [those(true), those(false)];
}

/** A density over combinations: kernels, each with its weight and centre. The last one, without a centre, is the uniform prior. */
interface Parzen {
  readonly sizes: readonly number[];
  readonly centres: readonly (Combination | null)[];
  /** They sum to 1. */
  readonly weights: readonly number[];
}

/** One kernel around each observed combination, oldest first, and the prior with the weight of one recent observation. */
export function parzenEstimator(sizes: readonly number[], observed: readonly Combination[]): Parzen {
  const weights = [...recencyWeights(observed.length), 1];
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return { sizes, centres: [...observed, null], weights: weights.map((weight) => weight / sum) };
}

const fullWeights = 25;

/** The last 25 observations count in full; before them weights rise evenly from 1/n for the oldest. */
export function recencyWeights(observations: number): number[] {
  const ramp = Math.max(0, observations - fullWeights);
  const oldest = 1 / observations;
  return Array.from({ length: observations }, (_, index) =>
    index >= ramp ? 1 : oldest + ((1 - oldest) * index) / Math.max(1, ramp - 1),
  );
}

/**
 * How likely a kernel is to stay at its centre in a variable, rather than to take any of its options: the prior weight 1, spread over all
 * kernels and added to each option, in other words.
 */
const stays = ({ centres }: Parzen, size: number): number => centres.length / (centres.length + size);

export function probability(parzen: Parzen, combination: Combination): number {
  return parzen.centres.reduce((sum, centre, kernel) => {
    const product = parzen.sizes.reduce((density, size, variable) => {
      const stay = centre === null ? 0 : stays(parzen, size);
      const atCentre = centre?.[variable] === combination[variable] ? stay : 0;
      return density * (atCentre + (1 - stay) / size);
    }, 1);
    return sum + parzen.weights[kernel]! * product;
  }, 0);
}

function drawFrom(parzen: Parzen, rng: Rng): Combination {
  const centre = parzen.centres[pick(parzen.weights, rng)]!;
  return parzen.sizes.map((size, variable) =>
    centre !== null && rng.next() < stays(parzen, size) ? centre[variable]! : rng.int(size),
  );
}

/** An index, as often as its weight says. */
function pick(weights: readonly number[], rng: Rng): number {
  let left = rng.next();
  const last = weights.length - 1;
  for (let index = 0; index < last; index++) {
    left -= weights[index]!;
    if (left < 0) return index;
  }
  return last;
}

/** The first open combination at or after this one, counting as an odometer does. Takes one step more than there are closed ones at most. */
function firstOpen(
  start: Combination,
  sizes: readonly number[],
  isOpen: (combination: Combination) => boolean,
): Combination | null {
  const all = sizes.reduce((product, size) => product * size, 1);
  let combination = start;
  for (let step = 0; step < all; step++) {
    if (isOpen(combination)) return combination;
    combination = next(combination, sizes);
  }
  return null;
}

function next(combination: Combination, sizes: readonly number[]): Combination {
  const counted = [...combination];
  for (let place = counted.length - 1; place >= 0; place--) {
    counted[place] = (counted[place]! + 1) % sizes[place]!;
    if (counted[place] !== 0) break;
  }
  return counted;
}
