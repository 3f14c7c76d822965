import { z } from 'zod';
import { InputError } from '../../core/errors.ts';
import type { WorkSizes } from '../../core/optimizer.ts';
import { choiceRules } from '../calibrate.ts';
import { count } from '../define.ts';
import { stopLosers } from '../judge.ts';
import { layoutParameters } from '../layouts.ts';
import { leakGuardMode } from '../leak-guard.ts';
import { racing } from '../race.ts';

export const miproParameters = z.object({
  /**
   * How much to try, and on how many val rows at most: 6 candidates and 100 rows, 12 and 300, 18 and 1000. null: as `numCandidates` and
   * `numTrials` say, on all val rows.
   */
  auto: z.enum(['light', 'medium', 'heavy']).nullable().default('light'),
  /** Demo sets, and instructions for each predictor, the current one among them. Only with `auto: null`. */
  numCandidates: z.int().positive().nullable().default(null),
  /** Combinations that the search tries after the start. Only with `auto: null`. */
  numTrials: z.int().positive().nullable().default(null),
  /** Demos that the teacher showed, for each predictor at most. With `maxLabeledDemos` 0 too: only instructions are searched. */
  maxBootstrappedDemos: count(4),
  /** Demos in all; what the teacher did not fill comes from labelled examples. */
  maxLabeledDemos: count(4),
  /** A trace becomes a demo when its score reaches this; null: when it is above 0. */
  metricThreshold: z.number().nullable().default(null),
  /** Temperature of the first try at an instruction. */
  initTemperature: z.number().min(0).max(2).default(1),
  /**
   * Whether trials are scored on random val rows, and only the most promising ones on all; null: where val has more than 50 rows and more
   * than `minibatchSize`.
   */
  minibatch: z.boolean().nullable().default(null),
  minibatchSize: z.int().positive().default(35),
  /** Trials on minibatches before the most promising combination is scored on all rows. */
  minibatchFullEvalSteps: z.int().positive().default(5),
  /** Combinations known before the search stops drawing them uniformly; null: a quarter of the trials, at most 10. */
  startupTrials: z.int().min(0).nullable().default(null),
  /** Shows the prompt model what a predictor is given and answers with, and what its part in the program is. */
  programAwareProposer: z.boolean().default(true),
  /** Shows the prompt model a summary of the train rows, which it writes itself before. */
  dataAwareProposer: z.boolean().default(true),
  /** Train rows that are shown at once while that summary is made. */
  viewDataBatchSize: z.int().positive().default(10),
  /** Gives the prompt model a random piece of advice with each question. */
  tipAwareProposer: z.boolean().default(true),
  /** Shows the prompt model demos. */
  fewshotAwareProposer: z.boolean().default(true),
  maxDemoTokens: z.int().positive().nullable().default(null),
  /** Of full scores. */
  stopLosers,
  racing,
  leakGuard: leakGuardMode,
  /** How labels are taken: a further thing to search (default: as the parent does). */
  choiceRules,
  // Further things to search (default: as the parent has them).
  ...layoutParameters.shape,
});

export type MiproSettings = z.output<typeof miproParameters>;

/** How much is made and tried, as numbers. */
export interface MiproPlan {
  /** Demo sets that are made, beside the start's own. */
  readonly demoSets: number;
  /** Instructions for each predictor, the current one among them. */
  readonly instructions: number;
  readonly trials: number;
  readonly startupTrials: number;
  /** Rows that a full score is over. */
  readonly judgedRows: number;
  /** Rows of a minibatch; null: every trial is scored in full. */
  readonly minibatchRows: number | null;
}

const autoSizes = {
  light: { candidates: 6, judgedRows: 100 },
  medium: { candidates: 12, judgedRows: 300 },
  heavy: { candidates: 18, judgedRows: 1000 },
} as const;

/** Fewer rows than this are scored in full. */
const fewRows = 50;

export const isZeroShot = ({ maxBootstrappedDemos, maxLabeledDemos }: MiproSettings): boolean =>
  maxBootstrappedDemos === 0 && maxLabeledDemos === 0;

/** DSPy's formulas, with the further things to search as further variables. Throws an InputError for parameters that contradict each other. */
export function planOf(settings: MiproSettings, { train, val, predictors }: WorkSizes): MiproPlan {
  const rows = val || train;
  requireConsistent(settings, rows);
  const { auto, numCandidates, numTrials, minibatch, minibatchSize } = settings;
  // `!`: without auto both numbers are given.
  const candidates = auto ? autoSizes[auto].candidates : numCandidates!;
  const judgedRows = auto ? Math.min(rows, autoSizes[auto].judgedRows) : rows;
  const trials = auto ? usualTrials(candidates, variables(settings, predictors)) : numTrials!;
  const isMinibatched = minibatch ?? judgedRows > Math.max(fewRows, minibatchSize);
  return {
    demoSets: candidates,
    instructions: auto && !isZeroShot(settings) ? Math.floor(candidates / 2) : candidates,
    trials,
    startupTrials: settings.startupTrials ?? Math.min(10, Math.floor(trials / 4)),
    judgedRows,
    minibatchRows: isMinibatched ? minibatchSize : null,
  };
}

/** Throws an InputError for parameters that contradict each other, or so many rows. */
export function requireConsistent(settings: MiproSettings, rows = Number.POSITIVE_INFINITY): void {
  const mistakes = contradictions(settings, rows);
  if (mistakes.length > 0)
    throw new InputError(
      'optimizer-parameter',
      mistakes,
      'Give either auto, or auto: null with numCandidates n and numTrials; 2 * variables * log2(n) trials, and at least 1.5 n, are usual.',
    );
}

/** What is chosen in a combination: an instruction and a demo set for each predictor, a choice rule and a layout for all. */
function variables(settings: MiproSettings, predictors: number): number {
  const { choiceRules: rules, chatFormats, labelLists, demoOrders } = settings;
  const shared = [rules, chatFormats, labelLists, demoOrders].filter((options) => (options?.length ?? 0) > 1).length;
  return predictors * (isZeroShot(settings) ? 1 : 2) + shared;
}

const usualTrials = (candidates: number, searched: number): number =>
  Math.floor(Math.max(2 * searched * Math.log2(candidates), 1.5 * candidates));

function contradictions({ auto, numCandidates, numTrials, ...settings }: MiproSettings, rows: number): string[] {
  const isGiven = numCandidates !== null || numTrials !== null;
  const isComplete = numCandidates !== null && numTrials !== null;
  const size = auto ? Math.min(rows, autoSizes[auto].judgedRows) : rows;
  return [
    ...(auto && isGiven ? [`miproV2: auto "${auto}" chooses numCandidates and numTrials itself.`] : []),
    ...(!auto && !isComplete ? ['miproV2: auto is null, and numCandidates and numTrials are not both given.'] : []),
    ...(settings.minibatch && settings.minibatchSize > size
      ? [`miproV2: a minibatch of ${settings.minibatchSize} rows cannot be drawn from ${size}.`]
      : []),
  ];
}
