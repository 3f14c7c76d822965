import type { Rng } from '../../core/rng.ts';
import { bestOf, frontWeights, meanOf, paretoFront, type Scores } from './front.ts';
import type { GepaSettings } from './parameters.ts';

type Selection = Pick<GepaSettings, 'candidateSelectionStrategy' | 'epsilon' | 'topK'>;

/** The candidate of the pool that is to be improved next. */
export function selectParent(scores: readonly Scores[], selection: Selection, rng: Rng): number {
  switch (selection.candidateSelectionStrategy) {
    case 'pareto':
      return drawFromFront(scores, rng);
    case 'current-best':
      return bestOf(scores);
    case 'epsilon-greedy':
      return rng.next() < selection.epsilon ? rng.int(scores.length) : bestOf(scores);
    case 'top-k-pareto': {
      const top = strongest(scores, selection.topK);
      return top[
        drawFromFront(
          top.map((candidate) => scores[candidate]!),
          rng,
        )
      ]!;
    }
  }
}

/** One of the front, the more often the more rows it is among the best on: a specialist gets its turns too. */
function drawFromFront(scores: readonly Scores[], rng: Rng): number {
  const front = paretoFront(scores);
  return front[weightedIndex(frontWeights(scores, front), rng)]!;
}

/** The candidates with the highest means, ties to the earlier, in the pool's order. */
function strongest(scores: readonly Scores[], count: number): number[] {
  const means = scores.map(meanOf);
  const bestFirst = [...means.keys()].toSorted((a, b) => means[b]! - means[a]!);
  return bestFirst.slice(0, count).toSorted((a, b) => a - b);
}

/** A position, drawn as often as its weight says; each as often as the others when all weights are 0. */
export function weightedIndex(weights: readonly number[], rng: Rng): number {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  if (total === 0) return rng.int(weights.length);
  let left = rng.next() * total;
  for (const [index, weight] of weights.entries()) {
    left -= weight;
    if (left < 0) return index;
  }
  // Rounding may leave a rest: it belongs to the last that can be drawn.
  return weights.findLastIndex((weight) => weight > 0);
}

/** The predictors whose instructions an iteration rewrites; `turn` counts how often the candidate was chosen before. */
export function selectComponents(
  predictors: readonly string[],
  { componentSelector }: Pick<GepaSettings, 'componentSelector'>,
  turn: number,
): readonly string[] {
  return componentSelector === 'all' ? predictors : [predictors[turn % predictors.length]!];
}
