import { z } from 'zod';

/**
 * Drops a candidate as soon as it is this sure that it would not win: the chance to drop one that would have scored as much as the best is
 * 1 - `confidence` at most, however often one looks. For metrics whose scores are noisy, and many examples; null: off.
 */
export const racing = z
  .strictObject(
    { confidence: z.number().min(0.5).lt(1).default(0.95) },
    'An object is wanted, such as {"confidence": 0.95}.',
  )
  .nullable()
  .default(null);

export type Racing = z.output<typeof racing>;

/** What a candidate races against: the best so far, by its score on each example. */
export interface Race {
  readonly confidence: number;
  readonly best: readonly number[];
}

/** No race without a best to run against. */
export const raceAgainst = (settings: Racing, best: readonly number[] | undefined): Race | null =>
  settings && best ? { ...settings, best } : null;

/** Shares of what may be bet at once. A mean over a few of them needs no guess how large differences are. */
const shares = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9];

/**
 * Whether the sum of all `count` differences is below 0, after those seen so far, which were drawn from them at random without replacement
 * and are in [-1, 1]. Equivalently: whether the confidence sequence of their mean has come to lie below 0.
 *
 * Racing is Maron and Moore's (Hoeffding races, 1993). The bound is that of Waudby-Smith and Ramdas (Estimating means of bounded random
 * variables by betting, arXiv 2010.09686) for sampling without replacement: if the sum were not below 0, the next difference would be
 * expected to be at least what the sum still lacks, shared among the rest; who bets on less gains nothing from it, so that his wealth comes
 * to 1 / (1 - confidence) with a chance of 1 - confidence at most, at any time (Ville's inequality). On the few hundred examples of a search
 * it is much narrower than Hoeffding's or the empirical Bernstein bound, and unlike the t of an F-race it assumes no distribution.
 */
export function isLost(differences: readonly number[], count: number, confidence: number): boolean {
  let wealths: readonly number[] = shares.map(() => 1);
  let sum = 0;
  for (const [seen, difference] of differences.entries()) {
    const least = Math.max(-1, -sum / (count - seen));
    // Full marks on all the rest would only tie.
    if (least >= 1) return true;
    const loss = (difference - least) / (1 - least);
    wealths = wealths.map((wealth, index) => wealth * (1 - shares[index]! * loss));
    const wealth = wealths.reduce((total, one) => total + one, 0) / wealths.length;
    if (wealth * (1 - confidence) >= 1) return true;
    sum += difference;
  }
  return false;
}
