/** One candidate's scores on the val rows, in the rows' order. */
export type Scores = readonly number[];

export const sumOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);

export const meanOf = (scores: Scores): number => sumOf(scores) / scores.length;

/** The candidate with the highest mean; the earliest of equals. */
export function bestOf(scores: readonly Scores[]): number {
  const means = scores.map(meanOf);
  return means.indexOf(Math.max(...means));
}

/** For each val row the candidates that reach the best score on it. */
export function rowFronts(scores: readonly Scores[]): number[][] {
  const [first = []] = scores;
  return first.map((_, row) => {
    const best = Math.max(...scores.map((own) => own[row]!));
    return scores.flatMap((own, candidate) => (own[row] === best ? [candidate] : []));
  });
}

/**
 * The candidates that are the best on some row and cannot be spared: the weakest first (of equals the later), one is taken out when on each
 * of its rows another one that is still there is as good (GEPA, section 3.3). One pass is enough: who cannot be spared once never can.
 */
export function paretoFront(scores: readonly Scores[]): number[] {
  const fronts = rowFronts(scores);
  const means = scores.map(meanOf);
  const kept = new Set(fronts.flat());
  for (const candidate of [...kept].toSorted((a, b) => means[a]! - means[b]! || b - a)) {
    const own = fronts.filter((front) => front.includes(candidate));
    if (own.every((front) => front.some((other) => other !== candidate && kept.has(other)))) kept.delete(candidate);
  }
  return [...kept].toSorted((a, b) => a - b);
}

/** On how many rows each of these candidates is among the best. */
export function frontWeights(scores: readonly Scores[], candidates: readonly number[]): number[] {
  const fronts = rowFronts(scores);
  return candidates.map((candidate) => fronts.filter((front) => front.includes(candidate)).length);
}
