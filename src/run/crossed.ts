import { type Candidate, candidateId, mapPredictors } from '../core/candidate.ts';
import type { CrossedCell } from '../core/summary.ts';
import { scoreInterval } from '../evaluate/statistics.ts';
import { measure } from './measure.ts';
import type { Measured } from './measured.ts';
import type { World } from './world.ts';

interface Cell {
  readonly weights: string;
  readonly prompt: string;
  readonly candidate: Candidate;
}

/**
 * Measures on val what the weights of each candidate are worth with the prompt of each other one: which of the two a gain came from. What
 * the steps measured already is taken as it is, and none of the others can be chosen.
 */
export async function measureCrossed(world: World, candidates: readonly Measured[]): Promise<readonly CrossedCell[]> {
  const { splits, strategy } = world.experiment;
  if (splits.val.length === 0) return [];
  const known = new Map(candidates.map(({ candidate, val }) => [candidateId(candidate), val]));
  const cells: CrossedCell[] = [];
  for (const { weights, prompt, candidate } of gridOf(candidates)) {
    const id = candidateId(candidate);
    if (!known.has(id)) {
      world.recorder.record({ type: 'crossed', weights, prompt, candidate: id });
      const what = `weights of ${nameOf(weights)}, prompt of ${nameOf(prompt)}`;
      const step = strategy.length;
      known.set(id, await measure(world, { step, what, split: 'val', candidate, examples: splits.val }));
    }
    const val = scoreInterval(known.get(id)?.rows.map(({ score }) => score.value) ?? []);
    if (val) cells.push({ weights, prompt, val });
  }
  return cells;
}

/** Every different weights with every different prompt, both in the order of the steps. */
function gridOf(candidates: readonly Measured[]): Cell[] {
  const weights = distinct(candidates, ({ candidate }) => modelsOf(candidate));
  const prompts = distinct(candidates, ({ candidate }) =>
    candidateId(withModelsOf(candidate, candidates[0]!.candidate)),
  );
  return weights.flatMap((one) =>
    prompts.map((other) => ({
      weights: one.strategy,
      prompt: other.strategy,
      candidate: withModelsOf(other.candidate, one.candidate),
    })),
  );
}

function distinct(candidates: readonly Measured[], keyOf: (candidate: Measured) => string): Measured[] {
  const first = new Map<string, Measured>();
  for (const candidate of candidates) if (!first.has(keyOf(candidate))) first.set(keyOf(candidate), candidate);
  return [...first.values()];
}

const modelsOf = ({ predictors }: Candidate): string =>
  JSON.stringify(Object.values(predictors).map(({ model }) => [model.base, model.adapter]));

const withModelsOf = (prompts: Candidate, weights: Candidate): Candidate =>
  mapPredictors(prompts, (state, name) => ({ ...state, model: weights.predictors[name]!.model }));

const nameOf = (strategy: string): string => (strategy === '' ? 'the baseline' : strategy);
