import { StepError } from '../core/errors.ts';
import { contentId, type Json } from '../core/json.ts';
import type { FitOrder } from '../core/optimizer.ts';
import type { StoredMerge } from '../core/store.ts';
import type { Effect, MergedType, Parity } from '../core/trainer.ts';
import { effectOf, leastPositions, parityBound, parityOf, probesOf, requireEffect } from './gates.ts';
import { keptTraining, prepareBase, type WeightStep } from './weight-step.ts';

/** The merged file against the trainer's base and adapter, and what it moves the base by; each over the same positions. */
interface MergeGates {
  readonly merged: Parity;
  readonly 'merged-effect': Effect;
}

/** Base and adapter to one file that can be trusted: merge (or remember), check on the real runtime, keep. Returns its sha256. */
export async function mergeAdapter(
  adapter: string,
  type: MergedType,
  { base, rows }: Pick<FitOrder, 'base' | 'rows'>,
  step: WeightStep,
): Promise<string> {
  const { store, trainer, record } = step;
  const spec = { base, adapter, type };
  const key = contentId({ merge: spec, trainer: await trainer.identity() });
  let merge = store.recallMerge(key);
  if (!merge) {
    merge = await mergeNow(key, adapter, type, rows, step);
    store.rememberMerge(key, merge, spec);
    store.dropWorkFolder(key);
  }
  // `as`: written by `mergeNow` below. In a fixed order: a store gives objects back with sorted keys.
  const gates = merge.gates as unknown as MergeGates;
  for (const gate of ['merged', 'merged-effect'] as const)
    record({ type: 'gate', step: step.step, gate, passed: true, parity: gates[gate] });
  return merge.merged;
}

async function mergeNow(
  key: string,
  adapter: string,
  type: MergedType,
  rows: FitOrder['rows'],
  step: WeightStep,
): Promise<StoredMerge> {
  const { store, trainer, model, signal, onPhase } = step;
  const path = store.file('adapter', adapter);
  if (path === undefined) throw new TypeError(`Adapter ${adapter} is not in ${store.name}`);
  const probes = probesOf(await model.weights.encode(rows), (await model.engine()).contextTokens);
  const folder = store.workFolder(key);
  const runtimeBase = await prepareBase(probes, folder, step);
  const options = { folder, signal, onPhase };
  const reference = await trainer.reference(keptTraining(store, adapter), { ...options, base: model.base, probes });
  onPhase('merging the adapter into its base');
  const made = await trainer.merge({ base: model.base, adapter: { sha256: adapter, path }, type }, options);
  // Before it is opened: an open model knows its file by its place.
  const file = { sha256: made.sha256, path: store.keepFile('merged', made.sha256, made.path) };
  onPhase('checking the merged model on the runtime');
  const { weights } = await model.weights.openMerged(file);
  if (weights === null) throw new TypeError(`The merged model ${file.path} has no weights`);
  const runtime = await weights.logProbabilities(probes, null);
  const merged = parityOf(runtime, reference.adapter);
  requireFaithful(merged, type, step);
  const effect = effectOf({ base: runtimeBase, adapter: runtime }, reference);
  // What the new encoding rounds is part of how far the two are apart.
  requireEffect(effect, parityOf(reference.adapter, reference.base), merged);
  // `as`: figures are plain data.
  return { merged: file.sha256, gates: { merged, 'merged-effect': effect } as unknown as Json };
}

/** The bound of the coarser of the two encodings in the file: the base's own, and that of the tensors which changed. */
function requireFaithful({ positions, meanKl }: Parity, type: MergedType, { model }: WeightStep): void {
  const bound = Math.max(parityBound(model.base), parityBound({ fileType: type }));
  if (positions >= leastPositions && meanKl <= bound) return;
  throw new StepError(
    'gate-merged',
    `The merged gate refused: the merged file is a mean KL of ${meanKl} away from the trained adapter over ${positions} positions; at most ${bound} over ${leastPositions} is right.`,
    `It was kept in the store for inspection and is not served. Load the adapter on top of its base (load: "adapter")${type === 'F16' ? '' : ', or merge more finely (mergedType: "F16")'}.`,
  );
}
