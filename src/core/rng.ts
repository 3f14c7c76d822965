import seedrandom from 'seedrandom';

export interface Rng {
  /** Uniform in [0, 1). */
  next(): number;
  /** Uniform integer in [0, limit). */
  int(limit: number): number;
  /** A new, shuffled array. */
  shuffle<T>(items: readonly T[]): T[];
  /** Up to `count` different items, in random order. */
  sample<T>(items: readonly T[], count: number): T[];
  /** An independent stream with a name; how often this stream was used does not matter to it. */
  fork(name: string): Rng;
}

/** Named streams: a new draw in one place never shifts the numbers seen in another. Seed 0 is a seed like any other. */
export function seededRng(seed: number | string): Rng {
  const name = String(seed);
  const generator = seedrandom(name);
  const int = (limit: number) => Math.floor(generator() * limit);
  const shuffle = <T>(items: readonly T[]): T[] => {
    const shuffled = [...items];
    for (let i = shuffled.length - 1; i > 0; i--) {
      const j = int(i + 1);
      [shuffled[i], shuffled[j]] = [shuffled[j]!, shuffled[i]!];
    }
    return shuffled;
  };
  return {
    next: () => generator(),
    int,
    shuffle,
    sample: (items, count) => shuffle(items).slice(0, Math.max(0, count)),
    fork: (label) => seededRng(`${name}/${label}`),
  };
}
