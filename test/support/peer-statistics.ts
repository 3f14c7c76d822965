/**
 * How probable a sum of differences as low as this one is, if each difference had its sign by the toss of a coin: exact, over all ways in
 * which the coins can fall. One-sided; for up to 30 differences.
 */
export function signFlipTest(differences: readonly number[]): number {
  const magnitudes = differences.map(Math.abs).filter((magnitude) => magnitude > 0);
  const observed = sumOf(differences);
  const signs = magnitudes.map(() => -1);
  let sum = -sumOf(magnitudes);
  let asLow = 0;
  for (let way = 1; way <= 2 ** magnitudes.length; way++) {
    // Sums are added up in other orders: equal ones may differ by rounding.
    if (sum <= observed + 1e-9) asLow++;
    // Gray's code: from one way to the next one coin is turned.
    const turned = 31 - Math.clz32(way & -way);
    if (turned >= magnitudes.length) break;
    signs[turned]! *= -1;
    sum += 2 * signs[turned]! * magnitudes[turned]!;
  }
  return asLow / 2 ** magnitudes.length;
}

/** Holm's adjustment: each may be compared with the level that is to hold for all the tests together. */
export function holm(values: readonly number[]): number[] {
  const smallestFirst = [...values.keys()].toSorted((a, b) => values[a]! - values[b]!);
  const adjusted = [...values];
  let largest = 0;
  for (const [rank, index] of smallestFirst.entries()) {
    largest = Math.max(largest, Math.min(1, (values.length - rank) * values[index]!));
    adjusted[index] = largest;
  }
  return adjusted;
}

const sumOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);
