import { z } from 'zod';
import type { MergedType } from '../core/trainer.ts';
import { optional } from './fit-settings.ts';

/** How what was trained is served from here on. */
export const loadParameters = {
  /**
   * `adapter`: on top of its base, which is exact, small and quick to switch. `merged`: one file with both, which passes the same gates; the
   * difference in score and speed is measured on val.
   */
  load: z.enum(['adapter', 'merged']).default('adapter'),
  /** How the tensors that the adapter touches are written in a merged file; null: as Q8_0. */
  mergedType: optional(z.enum(['Q8_0', 'F16'])),
};

export type LoadChoices = z.output<z.ZodObject<typeof loadParameters>>;

export const mergeOf = ({ load, mergedType }: LoadChoices): MergedType | null =>
  load === 'merged' ? (mergedType ?? 'Q8_0') : null;

export const loadMistakes = ({ load, mergedType }: LoadChoices): string[] =>
  load === 'adapter' && mergedType !== null
    ? [`mergedType ${mergedType} is about a merged file, and load is "adapter".`]
    : [];
