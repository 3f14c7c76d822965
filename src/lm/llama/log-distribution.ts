/** What a token gets that has no probability, or none that is worth telling from zero. */
const floor = -100;

/** Natural log-probabilities over a vocabulary from its logits. */
export function logDistribution(logits: ReadonlyMap<number, number>, vocabularySize: number): Float32Array {
  const distribution = new Float32Array(vocabularySize).fill(floor);
  let highest = Number.NEGATIVE_INFINITY;
  for (const logit of logits.values()) highest = Math.max(highest, logit);
  let total = 0;
  for (const logit of logits.values()) total += Math.exp(logit - highest);
  const shift = highest + Math.log(total);
  for (const [token, logit] of logits) distribution[token] = Math.max(floor, logit - shift);
  return distribution;
}
