import type { Rng } from '../../core/rng.ts';

/**
 * Endless minibatches. Each epoch is a new shuffle, cut into pieces; its last piece is filled up with the rows that filled up the fewest
 * before, so that over time all are used alike. No batch has a row twice; where there are fewer rows than its size, a batch is all of them.
 */
export function* minibatches<T>(rows: readonly T[], size: number, rng: Rng): Generator<readonly T[], never> {
  const fillings = rows.map(() => 0);
  for (let epoch = 0; ; epoch++) {
    const order = rng.fork(`epoch-${epoch}`).shuffle([...rows.keys()]);
    for (let start = 0; start < order.length; start += size) {
      const piece = order.slice(start, start + size);
      const others = order.slice(0, start).toSorted((a, b) => fillings[a]! - fillings[b]!);
      const filling = others.slice(0, size - piece.length);
      for (const row of filling) fillings[row]!++;
      yield [...piece, ...filling].map((row) => rows[row]!);
    }
  }
}
