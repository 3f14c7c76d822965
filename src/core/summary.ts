import type { BudgetState } from './budget.ts';
import type { Candidate } from './candidate.ts';
import type { Manifest } from './manifest.ts';
import type { Notice } from './notice.ts';
import type { StepDataSet } from './step-data-set.ts';
import type { StepTraining } from './step-training.ts';
import type { Start } from './store.ts';

/** A mean with its 95 % interval; scores are fractions of 1. */
export interface ScoreInterval {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
  readonly n: number;
}

/** What later scores have over earlier ones of the same examples. */
export interface PairedDifference {
  /** Of the means, later minus earlier, with its 95 % interval. */
  readonly difference: ScoreInterval;
  readonly won: number;
  readonly lost: number;
  /** How often a difference like this comes about by chance where there is none; two-sided. */
  readonly chance: number;
}

export interface CandidateSummary {
  readonly strategy: string;
  readonly candidate: Candidate;
  readonly val: ScoreInterval | null;
  readonly test: ScoreInterval | null;
  /** Rows of val (and test, if it was opened) that have no answer. */
  readonly failures: number;
}

/** How a set of weights did on val, in one of the two ways to load them. */
export interface LoadFigures {
  readonly val: ScoreInterval | null;
  /** While it was measured; null where some of the answers were remembered. */
  readonly callsPerSecond: number | null;
}

/** What merging the adapter of a weight step into its base has changed. */
export interface LoadComparison {
  readonly step: number;
  readonly adapter: LoadFigures;
  readonly merged: LoadFigures;
}

/** How the result was picked, and what that did to its score. */
export interface SelectionSummary {
  readonly rule: SelectionRule;
  /** Candidates that any step scored on val, the baseline among them. */
  readonly judged: number;
  /** What the best of them is worth on examples that it was not picked on; null where the chosen one was not picked as the best. */
  readonly corrected: ScoreInterval | null;
  /** The chosen one over the baseline, on val; null where the baseline was chosen. */
  readonly gain: PairedDifference | null;
  /** How often the best of all that were judged would gain as much if none of them were better; one-sided. */
  readonly chanceAmongAll: number | null;
}

/** `best-mean`: the highest mean on val, ties to the earlier; `significant`: an earlier one unless a later one is better beyond chance. */
export type SelectionRule = 'best-mean' | 'significant';

/** What the sealed test split says. */
export interface TestSummary {
  /** The chosen one over the baseline; null where the baseline was chosen. */
  readonly gain: PairedDifference | null;
  /** Val minus test of the chosen one: what its val score promised too much. */
  readonly shrinkage: number | null;
  /** How often the examples of this split were opened in this store so far: by runs, and by candidates of theirs. */
  readonly openings: { readonly runs: number; readonly candidates: number };
}

/** The weights of one candidate with the prompt of another, each named by the steps that led to it. */
export interface CrossedCell {
  readonly weights: string;
  readonly prompt: string;
  readonly val: ScoreInterval;
}

/** What a run ended with. Scores are fractions of 1, intervals 95 %; calls, tokens and seconds cover all starts of the run. */
export interface RunSummary {
  readonly run: string;
  readonly digest: string;
  readonly seed: number;
  readonly strategy: string;
  readonly candidates: readonly CandidateSummary[];
  readonly chosen: { readonly strategy: string; readonly candidate: Candidate };
  /** Null without a val split; runs that were stored before there was such a choice have none. */
  readonly selection?: SelectionSummary | null;
  /** Null without a test split; older runs have none. */
  readonly test?: TestSummary | null;
  /** Every weights with every prompt, where that was asked for. */
  readonly crossed?: readonly CrossedCell[];
  readonly flagCompilationErrorOccurred: boolean;
  /** What the adapters were trained on, in figures. */
  readonly dataSets: readonly StepDataSet[];
  /** What the trainings came to; runs that were stored before it was kept have none. */
  readonly trainings?: readonly StepTraining[];
  /** Of each weight step that merged, where there is a val split; not there in runs from before this could be chosen. */
  readonly loads?: readonly LoadComparison[];
  readonly calls: { readonly requested: number; readonly made: number; readonly remembered: number };
  readonly tokens: { readonly prompt: number; readonly cachedPrompt: number; readonly completion: number };
  /** What decoding under the grammar cost: forks among labels and sampled tokens, and at how many of them it overruled the model's own first choice. */
  readonly constraint: { readonly forks: number; readonly overruled: number };
  readonly seconds: number;
  /** What the steps spent, and what they were allowed to; runs that were stored before there were such limits have none. */
  readonly budget?: BudgetState;
  /** How often the turn to compute went from one model to another, in the start that finished the run. */
  readonly modelSwitches: number;
  /** How often anything of the run tried to reach another machine. */
  readonly networkAttempts: number;
  /** `replay`: a resume repeats what is remembered; a run from scratch may differ, by the engine's doing or by that of a limit in minutes. */
  readonly reproducible: 'bytes' | 'replay';
  /** What the run was made of; runs from before it was kept have none. */
  readonly manifest?: Manifest;
  readonly starts: readonly Start[];
  readonly notices: readonly Notice[];
}
