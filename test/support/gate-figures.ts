import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { StepError } from '../../src/core/errors.ts';
import type { AdapterFile, Probe, TokenRow } from '../../src/core/lm.ts';
import type { Effect, Parity, RescoredRow, RowParity } from '../../src/core/trainer.ts';
import type { LocalModel } from '../../src/lm/llama/local-model.ts';
import { effectOf, parityOf, requireEffect, requireParity } from '../../src/run/gates.ts';
import { requireRowParity, rescoreRows } from '../../src/run/rows-gate.ts';
import { sha256OfFile } from '../../src/system/files.ts';
import { readProbeFile } from '../../src/trainer/probe-file.ts';

/** All that the gates look at, of one adapter. */
export interface GateFigures {
  readonly base: Parity;
  readonly adapter: Parity;
  readonly effect: Effect;
  /** How far the adapter moves the trainer. */
  readonly trainerEffect: Parity;
  readonly rows: RowParity;
}

interface Measured {
  readonly model: LocalModel;
  /** Of the finished training. */
  readonly folder: string;
  readonly rows: readonly TokenRow[];
  readonly probes: readonly Probe[];
  /** What the runtime says without an adapter. */
  readonly runtimeBase: readonly Float32Array[];
  /** Default: the one that was trained. */
  readonly adapterPath?: string;
}

export async function gateFigures({
  model,
  folder,
  rows,
  probes,
  runtimeBase,
  ...given
}: Measured): Promise<GateFigures> {
  const path = given.adapterPath ?? join(folder, 'adapter.gguf');
  const adapter: AdapterFile = { sha256: await sha256OfFile(path), path };
  const trainerBase = readProbeFile(join(folder, 'probe-base.f32'), probes);
  const trainerAdapter = readProbeFile(join(folder, 'probe-adapter.f32'), probes);
  const runtimeAdapter = await model.logProbabilities(probes, adapter);
  // `as`: written by the trainer, whose own port reads it with a schema.
  const rescored = JSON.parse(readFileSync(join(folder, 'rescored.json'), 'utf8')) as RescoredRow[];
  return {
    base: parityOf(runtimeBase, trainerBase),
    adapter: parityOf(runtimeAdapter, trainerAdapter),
    effect: effectOf({ base: runtimeBase, adapter: runtimeAdapter }, { base: trainerBase, adapter: trainerAdapter }),
    trainerEffect: parityOf(trainerAdapter, trainerBase),
    rows: await rescoreRows(rescored, async (places) => places.map((place) => rows[place]!), model, adapter),
  };
}

/** The gate that refuses, as its code; null: the adapter would be served. */
export function refusingGate(figures: GateFigures, { base }: LocalModel): string | null {
  try {
    requireParity('base', figures.base, base);
    requireParity('adapter', figures.adapter, base);
    requireEffect(figures.effect, figures.trainerEffect, figures.base);
    requireRowParity(figures.rows, base);
    return null;
  } catch (error) {
    if (error instanceof StepError) return error.code;
    throw error;
  }
}
