import type { FitOrder } from '../core/optimizer.ts';
import type { StoredTraining } from '../core/store.ts';
import type { LearnedRow, TrainingSpec } from '../core/trainer.ts';
import { rounded } from './gates.ts';

/** The order in token ids; `rows` are in its rows' order. */
export function specOf(order: FitOrder, rows: readonly LearnedRow[]): TrainingSpec {
  const { base, startFrom, lora, training, evaluation, seed } = order;
  const isHeldOut = (_: LearnedRow, index: number) => order.rows[index]!.heldOut === true;
  return {
    base,
    startFrom,
    rows: rows.filter((row, index) => !isHeldOut(row, index)),
    lora,
    training,
    evaluation: evaluation && { ...evaluation, rows: rows.filter(isHeldOut) },
    seed,
  };
}

/** What a training came to, as it is put on record. */
export function outcomeOf({ startFrom, training, evaluation }: TrainingSpec, trained: StoredTraining) {
  const { adapter, steps, keptStep, losses, heldOutLosses, forgetting } = trained;
  return {
    adapter,
    finalLoss: losses.at(-1)?.loss ?? null,
    steps,
    outcome: {
      method: training.method,
      startFrom,
      keptStep,
      heldOut: evaluation && { rows: evaluation.rows.length, losses: heldOutLosses },
      forgetting: rounded(forgetting),
    },
  };
}
