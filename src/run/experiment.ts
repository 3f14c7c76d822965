import type { Candidate } from '../core/candidate.ts';
import type { DataReport } from '../core/data-report.ts';
import type { Example, Splits } from '../core/example.ts';
import { contentId, type Json } from '../core/json.ts';
import type { AdapterFile, LanguageModel } from '../core/lm.ts';
import type { Metric } from '../core/metric.ts';
import type { Notice } from '../core/notice.ts';
import type { Optimizer, Teacher } from '../core/optimizer.ts';
import type { Structure } from '../core/program.ts';
import { signatureJson } from '../core/signature.ts';
import { strategyText } from '../core/strategy.ts';
import type { SelectionRule } from '../core/summary.ts';
import type { BudgetLimits } from './budget-limits.ts';

/** The choices of a run that have an effect on its result. */
export interface RunSettings extends BudgetLimits {
  /** Before every step the train set is shuffled with the step's own stream. */
  readonly shuffleTrainsetBetweenSteps: boolean;
  /** A step starts from the best candidate so far (ties to the later), or from the latest. */
  readonly stepStart: 'best' | 'latest';
  /** A prompt step starts from its candidate's prompts, or from the program's own. */
  readonly promptStart: 'current' | 'original';
  readonly onStepError: 'continue' | 'stop';
  readonly maxErrors: number;
  /** Who is measured on the sealed test split at the end: the chosen program and the baseline, or every candidate (exploratory). */
  readonly openTest: 'chosen' | 'all';
  /** What the result is picked by: the highest mean on val, or the first that no later one beats beyond chance. */
  readonly selection: SelectionRule;
  /** Whether every weights is measured on val with every prompt, to tell what each of them brought. */
  readonly crossed: boolean;
}

/** What one step has for itself. */
export interface StepOverrides {
  readonly teachers?: readonly Teacher[];
  /** sha256 of its base. */
  readonly promptModel?: string;
  readonly train?: readonly Example[];
  readonly val?: readonly Example[];
}

/** All that a run needs to know, read and checked whole before any model loads. */
export interface Experiment {
  readonly structure: Structure;
  readonly initial: Candidate;
  /** By sha256 of the base: every model that the candidate or a teacher names, and prompt models. */
  readonly models: ReadonlyMap<string, LanguageModel>;
  /** Adapters that the initial candidate or a teacher names. */
  readonly adapters: ReadonlyMap<string, AdapterFile>;
  readonly teachers: readonly Teacher[];
  /** sha256 of the base that writes proposals; null: the student's own. */
  readonly promptModel: string | null;
  readonly optimizers: { readonly [key: string]: Optimizer };
  readonly strategy: readonly string[];
  readonly overrides: { readonly [key: string]: StepOverrides };
  readonly metric: Metric;
  readonly splits: Splits;
  /** What was found in the data of all splits; shown with its places, of which the record has none. */
  readonly data: DataReport;
  readonly seed: number;
  readonly settings: RunSettings;
  readonly notices: readonly Notice[];
  /** sha256 of the experiment file and of every local file it imports, by content; empty for an experiment made in code. */
  readonly sources: readonly string[];
  readonly version: string;
  /** What the user wrote, and the folder it lies in: for the record, without an effect. */
  readonly given: Json;
  readonly folder: string;
}

/** Examples by content and order. */
export const splitId = (examples: readonly Example[]): string => contentId(examples.map(({ id }) => id));

/** Everything that decides what a run does. Its hash is the run's id: the same again is the same run, any difference is a new one. */
export function describeExperiment(experiment: Experiment): { readonly [key: string]: Json } {
  const { structure, initial, optimizers, strategy, splits, seed, settings, sources, version, metric } = experiment;
  return {
    version,
    predictors: Object.fromEntries(
      Object.entries(structure.predictors).map(([name, signature]) => [name, signatureJson(signature)]),
    ),
    ...programJson(structure),
    // `as` here and below: candidates and settings are plain data.
    initial: initial as unknown as Json,
    teachers: experiment.teachers.map(describeTeacher),
    ...(experiment.promptModel === null ? {} : { promptModel: experiment.promptModel }),
    optimizers: Object.fromEntries(
      Object.entries(optimizers).map(([key, { name, parameters }]) => [key, { name, parameters }]),
    ),
    strategy: strategyText(strategy),
    overrides: Object.fromEntries(
      Object.entries(experiment.overrides).map(([key, overrides]) => [key, describeOverrides(overrides)]),
    ),
    metric: `${metric.name}\n${metric.toString()}`,
    splits: { train: splitId(splits.train), val: splitId(splits.val), test: splitId(splits.test) },
    seed,
    settings: settings as unknown as Json,
    sources,
  };
}

const programJson = ({ run, strategy }: Structure) => ({
  program: run.toString(),
  ...(strategy ? { strategy: strategy.identity } : {}),
});

const describeTeacher = ({ structure, candidate }: Teacher): Json => ({
  ...programJson(structure),
  candidate: candidate as unknown as Json,
});

const describeOverrides = ({ teachers, promptModel, train, val }: StepOverrides): Json => ({
  ...(teachers ? { teachers: teachers.map(describeTeacher) } : {}),
  ...(promptModel === undefined ? {} : { promptModel }),
  ...(train ? { train: splitId(train) } : {}),
  ...(val ? { val: splitId(val) } : {}),
});
