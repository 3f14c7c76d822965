import type { RunEvent } from './event.ts';
import type { TrainingOutcome } from './trainer.ts';

/** A training of a run: in which weight step, to which adapter, and what it came to. */
export interface StepTraining extends TrainingOutcome {
  readonly step: number;
  /** The step's key in the strategy. */
  readonly key: string;
  readonly adapter: string;
  /** Optimizer steps that were made. */
  readonly steps: number;
  readonly finalLoss: number | null;
}

/** The trainings that a run has on record, in order: one for each adapter of each weight step. */
export function trainingsOf(events: readonly RunEvent[]): StepTraining[] {
  const keys = new Map(events.flatMap((event) => (event.type === 'step-start' ? [[event.step, event.key]] : [])));
  return events.flatMap((event) => {
    if (event.type !== 'trained' || !event.outcome) return [];
    const { step, adapter, steps, finalLoss, outcome } = event;
    return [{ step, key: keys.get(step) ?? '', adapter, steps, finalLoss, ...outcome }];
  });
}
