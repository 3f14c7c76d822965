import { z } from 'zod';
import { choiceRules } from '../calibrate.ts';
import { count } from '../define.ts';
import { stopLosers } from '../judge.ts';
import { racing } from '../race.ts';

export const randomSearchParameters = z.object({
  metricThreshold: z.number().nullable().default(null),
  maxBootstrappedDemos: count(4),
  maxLabeledDemos: count(16),
  maxRounds: z.int().positive().default(1),
  /** Randomly bootstrapped candidates, beside the three that are always there: no demos, labelled demos, demos in train order. */
  numCandidatePrograms: count(16),
  /** Ends the search at this score (a fraction of 1). */
  stopAtScore: z.number().nullable().default(null),
  stopLosers,
  racing,
  /** Only these candidates, by their number: -3 no demos, -2 labelled, -1 in train order, 0 and up random. */
  restrict: z.array(z.int()).nullable().default(null),
  /** Whether labelled demos are drawn at random or taken from the top. */
  labeledSample: z.boolean().default(true),
  maxDemoTokens: z.int().positive().nullable().default(null),
  /** How labels are taken: candidates are tried in the first of these ways; default: as the parent does it, then calibrated. */
  choiceRules,
  /** Who is tried in the other ways: the best of the search and the one without demos, or every candidate. */
  choiceRulesFor: z.enum(['best', 'all']).default('best'),
});

export type RandomSearchSettings = z.output<typeof randomSearchParameters>;
