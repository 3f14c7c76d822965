/**
 * Fisher's randomization test for pairs, one-sided and exact: how probable it is that the differences add up to no more than they do, if
 * each of them were as likely to be the other way round. A difference of 0 says nothing; 1 where there is no other.
 */
export function chanceOfSuchLoss(differences: readonly number[]): number {
  const values = differences.filter((difference) => difference !== 0);
  const observed = sumOf(values) + 1e-9;
  const signs = values.map(() => 1);
  let sum = sumOf(values);
  let asLow = 1;
  // Gray code: from one choice of signs to the next a single one changes, the one at the lowest bit that is set.
  const choices = 2 ** values.length;
  for (let choice = 1; choice < choices; choice++) {
    const place = 31 - Math.clz32(choice & -choice);
    sum -= 2 * signs[place]! * values[place]!;
    signs[place]! *= -1;
    if (sum <= observed) asLow++;
  }
  return asLow / choices;
}

/** Holm's step-down over a family of tests: each chance as it counts when one looks at all of them. */
export function holm(chances: readonly number[]): number[] {
  const adjusted = chances.map(() => 1);
  let least = 0;
  const ascending = [...chances.keys()].sort((a, b) => chances[a]! - chances[b]!);
  for (const [rank, index] of ascending.entries()) {
    least = Math.max(least, Math.min(1, (chances.length - rank) * chances[index]!));
    adjusted[index] = least;
  }
  return adjusted;
}

const sumOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);
