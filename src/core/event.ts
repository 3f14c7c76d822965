import type { BudgetState } from './budget.ts';
import type { Candidate } from './candidate.ts';
import type { DataReport } from './data-report.ts';
import type { DataSetSummary } from './data-set.ts';
import type { SplitName } from './example.ts';
import type { Failure } from './failure.ts';
import type { Json } from './json.ts';
import type { Notice } from './notice.ts';
import type { Effect, Parity, RowParity, TrainingOutcome } from './trainer.ts';

/** What a run did, in order. A function of experiment, seed and remembered calls: no path, time or host name in it. */
export type RunEvent =
  | {
      readonly type: 'run-start';
      readonly seed: number;
      readonly strategy: string;
      readonly splits: { readonly train: string; readonly val: string; readonly test: string };
    }
  | { readonly type: 'notice'; readonly notice: Notice }
  | {
      readonly type: 'step-start';
      readonly step: number;
      readonly key: string;
      readonly optimizer: string;
      readonly from: string;
    }
  | {
      readonly type: 'candidate-proposed';
      readonly step: number;
      readonly id: string;
      readonly candidate: Candidate;
      readonly parents: readonly string[];
      readonly note: string;
    }
  | {
      readonly type: 'evaluation';
      readonly step: number;
      readonly split: SplitName;
      readonly candidate: string;
      readonly mean: number | null;
      readonly rows: readonly ScoredRow[];
      /** Not what the finished program scores: sampled, by a step's own metric, or with other code. */
      readonly aside?: true;
    }
  | {
      readonly type: 'rows-made';
      readonly step: number;
      /** The id of the data set, which the store has. */
      readonly rows: string;
      /** Not there in runs from before data sets were kept. */
      readonly summary?: DataSetSummary;
    }
  | {
      readonly type: 'trained';
      readonly step: number;
      readonly training: string;
      readonly adapter: string;
      readonly finalLoss: number | null;
      /** Optimizer steps that were made. */
      readonly steps: number;
      /** Not there in runs from before it was kept. */
      readonly outcome?: TrainingOutcome;
    }
  | {
      readonly type: 'gate';
      readonly step: number;
      readonly gate: 'base' | 'adapter' | 'effect' | 'merged' | 'merged-effect';
      readonly passed: boolean;
      readonly parity: Parity | Effect;
    }
  | {
      readonly type: 'rows-rescored';
      readonly step: number;
      readonly parity: RowParity;
    }
  | {
      readonly type: 'step-end';
      readonly step: number;
      readonly key: string;
      readonly strategy: string;
      readonly to: string;
      readonly val: number | null;
      /** Candidates by their ids, with their scores on what the optimizer selects on. */
      readonly trials: readonly { readonly candidate: string; readonly score: number | null; readonly note: string }[];
      readonly details?: { readonly [name: string]: Json };
    }
  | {
      readonly type: 'step-failed';
      readonly step: number;
      readonly key: string;
      readonly code: string;
      readonly message: string;
    }
  /** The limit in minutes was found passed, at this look of the run (they are counted from 1): the one thing here that a clock decided. */
  | { readonly type: 'time-over'; readonly look: number }
  /** The weights of one candidate with the prompt of another, each named by its steps, are measured next. */
  | { readonly type: 'crossed'; readonly weights: string; readonly prompt: string; readonly candidate: string }
  | { readonly type: 'chosen'; readonly strategy: string; readonly candidate: string }
  | { readonly type: 'run-end' };

/** One row of an evaluation: example id, score, and the failure's kind if there was one. */
export interface ScoredRow {
  readonly example: string;
  readonly score: number;
  readonly failure?: Failure['kind'];
}

/** What a person wants to see while it happens; shown, never stored. Times are seconds. */
export type Progress =
  /** What was found in the data, before anything was asked. */
  | { readonly type: 'data'; readonly report: DataReport }
  | { readonly type: 'phase'; readonly phase: string }
  | {
      readonly type: 'evaluating';
      readonly what: string;
      readonly done: number;
      readonly total: number;
      readonly mean: number | null;
    }
  | {
      readonly type: 'training';
      readonly step: number;
      readonly steps: number;
      readonly loss: number;
      readonly secondsLeft: number;
    }
  | {
      readonly type: 'calls';
      readonly requested: number;
      readonly made: number;
      readonly remembered: number;
      readonly budget: BudgetState;
    };

export type LiveEvent = RunEvent | { readonly type: 'progress'; readonly progress: Progress };
