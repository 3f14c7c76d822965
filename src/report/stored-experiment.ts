import type { Candidate } from '../core/candidate.ts';
import type { Json } from '../core/json.ts';
import type { SignatureFields } from '../core/signature.ts';
import type { StoredRun } from '../core/store.ts';

/** What reports read of the experiment that a run was stored with. */
export interface StoredExperiment {
  readonly version: string;
  readonly predictors: { readonly [name: string]: SignatureFields };
  readonly initial: Candidate;
  readonly optimizers: { readonly [key: string]: { readonly name: string; readonly parameters: Json } };
  readonly strategy: string;
  readonly metric: string;
  readonly splits: { readonly train: string; readonly val: string; readonly test: string };
  readonly seed: number;
}

// `as`: the run layer stored this; see describeExperiment.
export const experimentOf = (run: StoredRun): StoredExperiment => run.experiment as unknown as StoredExperiment;
