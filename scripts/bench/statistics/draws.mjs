import seedrandom from 'seedrandom';

/** Uniform and normal draws from a named stream. */
export function draws(name) {
  const next = seedrandom(name);
  const normal = () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
  return { next, normal };
}

/** Marsaglia and Tsang (2000). */
function gamma(shape, rng) {
  if (shape < 1) return gamma(shape + 1, rng) * (1 - rng.next()) ** (1 / shape);
  const d = shape - 1 / 3;
  for (;;) {
    const x = rng.normal();
    const v = (1 + x / Math.sqrt(9 * d)) ** 3;
    if (v > 0 && Math.log(1 - rng.next()) < 0.5 * x ** 2 + d - d * v + d * Math.log(v)) return d * v;
  }
}

function beta(mean, concentration, rng) {
  const [a, b] = [gamma(concentration * mean, rng), gamma(concentration * (1 - mean), rng)];
  return a / (a + b);
}

const right = (mean, rng) => Number(rng.next() < mean);

/** One score with this mean. `partly` is what token overlaps look like: whole or nothing half of the time, else quarters. */
export const kinds = {
  'right or wrong': right,
  graded: (mean, rng) => beta(mean, 2, rng),
  'graded, alike': (mean, rng) => beta(mean, 8, rng),
  partly(mean, rng) {
    if (rng.next() < 0.5) return right(mean, rng);
    return (right(mean, rng) + right(mean, rng) + right(mean, rng) + right(mean, rng)) / 4;
  },
};
