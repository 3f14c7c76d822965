import type { RunEvent } from '../core/event.ts';
import { dataSetsOf, type StepDataSet } from '../core/step-data-set.ts';
import type { Store, StoredTraining } from '../core/store.ts';
import type { LossAtStep, Parity } from '../core/trainer.ts';
import { trainingLines } from './training-text.ts';

/** One training of a weight step, with what it learned from. */
export interface ReportedTraining {
  readonly step: number;
  readonly adapter: string;
  readonly dataSet: StepDataSet | null;
  /** What it began with, what it forgot, and what held-out rows said. */
  readonly lines: readonly string[];
  readonly heldOutLosses: readonly LossAtStep[];
  readonly stored: Pick<StoredTraining, 'losses' | 'supervisedTokens' | 'seconds'> | null;
  readonly gates: readonly { readonly gate: string; readonly passed: boolean; readonly parity: Parity }[];
}

/** The trainings of a run in order. The data set of a training is the last one that its step made before it. */
export function reportedTrainings(
  events: readonly RunEvent[],
  store: Pick<Store, 'recallTraining'>,
): readonly ReportedTraining[] {
  const dataSets = dataSetsOf(events);
  return events.flatMap((event, index) => {
    if (event.type !== 'trained') return [];
    const before = events.slice(0, index).findLast((one) => one.type === 'rows-made' && one.step === event.step);
    const id = before?.type === 'rows-made' ? before.rows : null;
    const next = events.findIndex((one, place) => place > index && (one.type === 'trained' || one.type === 'step-end'));
    const after = events.slice(index, next === -1 ? events.length : next);
    return [
      {
        step: event.step,
        adapter: event.adapter,
        dataSet: dataSets.find((one) => one.step === event.step && one.id === id) ?? null,
        lines: trainingLines(event),
        heldOutLosses: event.outcome?.heldOut?.losses ?? [],
        stored: store.recallTraining(event.training) ?? null,
        gates: after.flatMap((one) => (one.type === 'gate' ? [one] : [])),
      },
    ];
  });
}
