import { z } from 'zod';
import type { BaseFacts } from '../core/optimizer.ts';
import type { EvaluationSettings } from '../core/trainer.ts';
import { optional, smallModel } from './fit-settings.ts';

/** Rows that are not trained on, and what their loss decides. */
export const evaluationParameters = {
  /** The share of the rows; null: a tenth from 500 M parameters and 100 rows on, else none. */
  heldOut: optional(z.number().min(0).max(0.5)),
  /** Optimizer steps from one look at their loss to the next; null: a tenth of all. */
  evaluateSteps: optional(z.int().positive()),
  /** Looks in a row without a lower loss after which training ends; null: 3. */
  patience: optional(z.int().positive()),
  /** Which weights leave the step; null: the best. */
  keepCheckpoint: optional(z.enum(['best', 'last'])),
};

export type EvaluationChoices = z.output<z.ZodObject<typeof evaluationParameters>>;

/** The share of the rows that is held out where the user left it open: a few rows fewer cost a small model more than it gains. */
export const heldOutShare = ({ heldOut }: EvaluationChoices, { parameters }: BaseFacts, rows: number): number =>
  heldOut ?? (parameters >= smallModel && rows >= 100 ? 0.1 : 0);

export const evaluationSettings = (
  { evaluateSteps, patience, keepCheckpoint }: EvaluationChoices,
  steps: number,
): EvaluationSettings => ({
  everySteps: evaluateSteps ?? Math.ceil(steps / 10),
  patience: patience ?? 3,
  keep: keepCheckpoint ?? 'best',
});
