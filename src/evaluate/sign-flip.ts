import { seededRng } from '../core/rng.ts';

/**
 * How often a sum of differences at least as far from 0 comes about if each difference were as likely to be the other way round (Fisher's
 * randomization test for pairs, two-sided). Differences of one size are counted exactly, which for right or wrong is McNemar's exact test;
 * others by `draws` of them, seeded. 1 where nothing differs.
 */
export function signFlipChance(differences: readonly number[], draws = 9999): number {
  const changed = differences.filter((difference) => difference !== 0);
  const size = Math.abs(changed[0] ?? 0);
  if (changed.every((difference) => Math.abs(difference) === size)) {
    return signTest(changed.filter((difference) => difference > 0).length, changed.length);
  }
  const rng = seededRng('sign-flip');
  const observed = Math.abs(changed.reduce((sum, difference) => sum + difference, 0)) - 1e-9;
  let asFar = 1;
  for (let draw = 0; draw < draws; draw++) {
    let sum = 0;
    for (const difference of changed) sum += rng.next() < 0.5 ? difference : -difference;
    if (Math.abs(sum) >= observed) asFar++;
  }
  return asFar / (draws + 1);
}

/** The probability of a split at least as uneven among so many fair coins. */
function signTest(heads: number, coins: number): number {
  const fewer = Math.min(heads, coins - heads);
  // In logarithms: 0.5 ** 1100 is 0.
  let term = coins * Math.log(0.5);
  let tail = Math.exp(term);
  for (let k = 1; k <= fewer; k++) {
    term += Math.log((coins - k + 1) / k);
    tail += Math.exp(term);
  }
  return Math.min(1, 2 * tail);
}
