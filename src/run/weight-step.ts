import { dataSetOf, summaryOfDataSet } from '../core/data-set.ts';
import { StepError } from '../core/errors.ts';
import type { RunEvent } from '../core/event.ts';
import { contentId, type Json, shortId } from '../core/json.ts';
import type { Probe, TextRow } from '../core/lm.ts';
import type { FitOrder } from '../core/optimizer.ts';
import type { Store, StoredTraining } from '../core/store.ts';
import type {
  Effect,
  LearnedRow,
  Parity,
  RowParity,
  Trained,
  Trainer,
  TrainingProgress,
  TrainingSpec,
} from '../core/trainer.ts';
import { effectOf, parityOf, probesOf, requireEffect, requireParity } from './gates.ts';
import { learnedRows, rowTexts } from './learned-rows.ts';
import { neutralProbes } from './neutral-text.ts';
import { requireRowParity, rescoreRows } from './rows-gate.ts';
import type { Trainable } from './trainable.ts';
import { outcomeOf, specOf } from './training-record.ts';

/** What a weight step works with. */
export interface WeightStep {
  readonly store: Store;
  readonly trainer: Trainer;
  readonly model: Trainable;
  /** Closes every model of the run: a GPU has one tenant at a time. */
  releaseModels(): Promise<void>;
  readonly step: number;
  readonly signal: AbortSignal;
  record(event: RunEvent): void;
  onPhase(phase: string): void;
  onProgress(progress: TrainingProgress): void;
}

/** What was compared: the first three over the same positions. */
interface Gates {
  readonly base: Parity;
  readonly adapter: Parity;
  readonly effect: Effect;
  readonly rows: RowParity;
}

// Part of a training's key: an adapter that passed fewer gates is not served on that account. Raise it when a gate is added or tightened.
const gatesVersion = 2;

/** Rows to an adapter that can be trusted: encode, train (or remember), check on the real runtime, keep. Returns the adapter's sha256. */
export async function trainAdapter(order: FitOrder, step: WeightStep): Promise<string> {
  const { store, trainer, model, record } = step;
  const rows = await learnedRows(order.rows, model.weights);
  const spec = specOf(order, rows);
  // `as`: a spec is plain data.
  const key = contentId({ spec: spec as unknown as Json, trainer: await trainer.identity(), gates: gatesVersion });
  record({ type: 'rows-made', step: step.step, ...(await keepDataSet(order, rows, step)) });
  const texts = order.rows.filter(({ heldOut }) => !heldOut);
  const trained = store.recallTraining(key) ?? (await train(key, spec, texts, step));
  record({ type: 'trained', step: step.step, training: key, ...outcomeOf(spec, trained) });
  // `as`: written by `train` below. In a fixed order: a store gives objects back with sorted keys.
  const gates = trained.gates as unknown as Gates;
  for (const gate of ['base', 'adapter', 'effect'] as const) {
    record({ type: 'gate', step: step.step, gate, passed: true, parity: gates[gate] });
  }
  record({ type: 'rows-rescored', step: step.step, parity: gates.rows });
  return trained.adapter;
}

/** What is trained on, as people can see it, in the store before it is on record. */
async function keepDataSet(order: FitOrder, rows: readonly LearnedRow[], { store, model }: WeightStep) {
  const dataSet = dataSetOf(order.base, order.rows, rows, await rowTexts(rows, model.weights));
  // `as`: a data set is plain data.
  const id = contentId(dataSet as unknown as Json);
  store.addDataSet(id, dataSet);
  return { rows: id, summary: summaryOfDataSet(dataSet, order.dropped) };
}

async function train(
  key: string,
  spec: TrainingSpec,
  texts: readonly TextRow[],
  step: WeightStep,
): Promise<StoredTraining> {
  const { store, trainer, model, signal } = step;
  const probes = probesOf(spec.rows, (await model.engine()).contextTokens);
  const neutral = await neutralProbes(model.weights);
  const folder = store.workFolder(key);
  const runtimeBase = await prepareBase(probes, folder, step);
  const options = {
    base: model.base,
    folder,
    probes,
    neutral,
    signal,
    onPhase: step.onPhase,
    onProgress: step.onProgress,
  };
  step.onPhase('training');
  const startFolder = spec.startFrom === null ? null : keptTraining(store, spec.startFrom);
  const trained = await trainer.train(spec, { ...options, startFolder });
  step.onPhase('checking the adapter on the runtime');
  const gates = await checkAdapter({ trained, texts, runtimeBase, probes, model }).catch((error: unknown) => {
    throw error instanceof StepError ? keptForInspection(error, key) : error;
  });

  const { sha256, path } = trained.adapter;
  store.keepFile('adapter', sha256, path);
  store.keepFile('training', sha256, trained.resumeFrom);
  const { steps, keptStep, losses, heldOutLosses, forgetting, supervisedTokens, seconds } = trained;
  const figures = { steps, keptStep, losses, heldOutLosses, forgetting, supervisedTokens, seconds };
  // `as`: gates are plain data.
  const stored: StoredTraining = { adapter: sha256, ...figures, gates: gates as unknown as Json };
  store.rememberTraining(key, stored, spec as unknown as Json);
  store.dropWorkFolder(key);
  return stored;
}

/** Has the base imported, if that was never done, and compared; returns what the runtime, which is closed then, says at the probes. */
export async function prepareBase(
  probes: readonly Probe[],
  folder: string,
  { trainer, model, signal, onPhase, releaseModels }: WeightStep,
): Promise<readonly Float32Array[]> {
  onPhase('measuring the base on the runtime');
  const runtimeBase = await model.weights.logProbabilities(probes, null);
  await releaseModels();
  onPhase('preparing the base for training');
  const importedBase = await trainer.prepare({ base: model.base, folder, probes, signal, onPhase });
  if (importedBase) {
    const parity = parityOf(runtimeBase, importedBase);
    requireParity('base', parity, model.base);
    await trainer.accept(model.base, parity);
  }
  return runtimeBase;
}

/** The trainer's own form of an adapter. */
export function keptTraining(store: Store, adapter: string): string {
  const folder = store.file('training', adapter);
  if (folder !== undefined) return folder;
  throw new StepError(
    'start-adapter-missing',
    `Adapter ${shortId(adapter)} was not trained with this store, so there is nothing to continue from.`,
    'Use startFrom: "base", or the store in which the adapter was trained.',
  );
}

/** A refused adapter stays in the folder of its training, which is not where adapters are served from. */
const keptForInspection = ({ code, message, hint }: StepError, key: string): StepError =>
  new StepError(
    code,
    message,
    `${hint} The adapter is never served; to be looked at, it is kept as work/${key}/adapter.gguf in the folder of the store's files.`,
  );

interface Checked {
  readonly trained: Trained;
  /** What the rows were made of. */
  readonly texts: readonly TextRow[];
  readonly runtimeBase: readonly Float32Array[];
  readonly probes: readonly Probe[];
  readonly model: Trainable;
}

/** The figures that decide whether an adapter may be served. */
async function checkAdapter({ trained, texts, runtimeBase, probes, model }: Checked): Promise<Gates> {
  const { base: facts, weights } = model;
  const base = parityOf(runtimeBase, trained.probeBase);
  requireParity('base', base, facts);
  const runtimeAdapter = await weights.logProbabilities(probes, trained.adapter);
  const adapter = parityOf(runtimeAdapter, trained.probeAdapter);
  requireParity('adapter', adapter, facts);
  const trainer = { base: trained.probeBase, adapter: trained.probeAdapter };
  const effect = effectOf({ base: runtimeBase, adapter: runtimeAdapter }, trainer);
  requireEffect(effect, parityOf(trainer.adapter, trainer.base), base);
  const render = (places: readonly number[]) => weights.encode(places.map((place) => texts[place]!));
  const rows = await rescoreRows(trained.rescored, render, weights, trained.adapter);
  requireRowParity(rows, facts);
  return { base, adapter, effect, rows };
}
