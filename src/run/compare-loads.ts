import {
  type Candidate,
  candidateId,
  loadedAdapter,
  type ModelRef,
  mapPredictors,
  modelsOf,
} from '../core/candidate.ts';
import type { LoadComparison, LoadFigures } from '../core/summary.ts';
import { scoreInterval } from '../evaluate/statistics.ts';
import { measure } from './measure.ts';
import type { World } from './world.ts';

/**
 * What merging changed: the same prompts on the same val rows, with the adapter on top of its base and with both in one file. Null where
 * nothing was merged or there is no val split. The candidate is measured last, as the one that goes on.
 */
export async function compareLoads(world: World, step: number, merged: Candidate): Promise<LoadComparison | null> {
  const { splits } = world.experiment;
  if (splits.val.length === 0 || modelsOf(merged).every((model) => model.merged === undefined)) return null;
  const layered = mapPredictors(merged, (state) => ({ ...state, model: withoutMerged(state.model) }));
  world.recorder.record({
    type: 'candidate-proposed',
    step,
    id: candidateId(layered),
    candidate: layered,
    parents: [candidateId(merged)],
    note: 'the same weights, adapter on top of its base',
  });
  return {
    step,
    adapter: await figures(world, step, 'adapter on top of its base', layered),
    merged: await figures(world, step, 'merged', merged),
  };
}

const withoutMerged = ({ merged: _, ...model }: ModelRef): ModelRef => model;

async function figures(world: World, step: number, what: string, candidate: Candidate): Promise<LoadFigures> {
  const { experiment, memory, ports } = world;
  for (const model of modelsOf(candidate)) await openContext(world, model);
  const before = memory.counts();
  const began = ports.now();
  const { rows } = await measure(world, { step, what, split: 'val', candidate, examples: experiment.splits.val });
  const seconds = (ports.now() - began) / 1000;
  const { made, remembered } = memory.counts();
  // Remembered answers say nothing about speed.
  const isTimed = remembered === before.remembered && seconds > 0;
  return {
    val: scoreInterval(rows.map(({ score }) => score.value)),
    callsPerSecond: isTimed ? (made - before.made) / seconds : null,
  };
}

/** What is opened at the first call must not count as the time of an answer. */
async function openContext({ hosts }: World, model: ModelRef): Promise<void> {
  const { weights } = await hosts.hostOf(model);
  const adapter = loadedAdapter(model);
  await weights?.logProbabilities([{ ids: [0], positions: [0] }], adapter === null ? null : hosts.adapterFile(adapter));
}
