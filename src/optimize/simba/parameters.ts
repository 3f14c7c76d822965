import { z } from 'zod';
import { count } from '../define.ts';
import { stopLosers } from '../judge.ts';
import { leakGuardMode } from '../leak-guard.ts';
import { racing } from '../race.ts';

export const simbaParameters = z.object({
  /** Train examples in the batch of a step; a smaller train set is one batch. */
  bsize: z.int().positive().default(32),
  /** Sampled runs of each example of a batch, and programs that they are drawn from; a step makes one child more at most. */
  numCandidates: z.int().positive().default(6),
  /** Batches that are learned from. */
  maxSteps: z.int().positive().default(8),
  /** Demos for each predictor of a child at most. */
  maxDemos: count(4),
  /** Characters of an input value in a demo; a longer one is cut, with a mark. */
  demoInputFieldMaxlen: z.int().positive().default(100_000),
  /** How much better programs are preferred for sampled runs: the lower, the more. */
  temperatureForSampling: z.number().positive().default(0.2),
  /** The same for the programs that children are made from. */
  temperatureForCandidates: z.number().positive().default(0.2),
  /** Tokens that demos may take; null: a quarter of the context, at most 600. */
  maxDemoTokens: z.int().positive().nullable().default(null),
  leakGuard: leakGuardMode,
  stopLosers,
  racing,
});

export type SimbaSettings = z.output<typeof simbaParameters>;
