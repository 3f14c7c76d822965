/** The 95 % intervals that resampling gives: percentiles, and those corrected for bias and skew (BCa, Efron 1987). */
export function bootstrap(scores, rng, resamples) {
  const n = scores.length;
  const mean = scores.reduce((sum, score) => sum + score, 0) / n;
  const means = Float64Array.from({ length: resamples }, () => {
    let sum = 0;
    for (let i = 0; i < n; i++) sum += scores[Math.floor(rng.next() * n)];
    return sum / n;
  }).sort();
  const at = (share) => means[Math.min(resamples - 1, Math.max(0, Math.floor(share * resamples)))];
  return { percentile: { low: at(0.025), high: at(0.975) }, bca: corrected(scores, mean, means, at) };
}

const z95 = 1.959963984540054;

function corrected(scores, mean, means, at) {
  const below = means.filter((one) => one < mean).length + means.filter((one) => one === mean).length / 2;
  const bias = quantile(Math.min(1 - 1e-6, Math.max(1e-6, below / means.length)));
  const squares = scores.reduce((sum, score) => sum + (score - mean) ** 2, 0);
  const skew = squares === 0 ? 0 : scores.reduce((sum, score) => sum + (score - mean) ** 3, 0) / (6 * squares ** 1.5);
  const end = (z) => at(normal(bias + (bias + z) / (1 - skew * (bias + z))));
  return { low: end(-z95), high: end(z95) };
}

/** Abramowitz and Stegun 7.1.26, good to 1e-7. */
function normal(z) {
  const t = 1 / (1 + 0.3275911 * (Math.abs(z) / Math.SQRT2));
  const series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  const upper = 0.5 * series * Math.exp(-(z ** 2) / 2);
  return z > 0 ? 1 - upper : upper;
}

function quantile(share) {
  let [low, high] = [-8, 8];
  for (let i = 0; i < 50; i++) {
    const middle = (low + high) / 2;
    if (normal(middle) < share) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}
