import type { Json } from './json.ts';
import type { Engine, LmResponse } from './lm.ts';

/** A place in two lists; null stands for a list that had ended there. */
export interface Place {
  readonly index: number;
  readonly stored: Json;
  readonly now: Json;
}

/** Where two responses to one request first differ. */
export interface ResponseDifference {
  /** The first field that differs, such as `completionIds` or `usage.cachedPrompt`; `request` where the stored request was changed. */
  readonly field: string;
  /** The first token of the completion that differs. */
  readonly token: Place | null;
  /** The first piece of the answer that differs. */
  readonly piece: Place | null;
}

/** A call whose answer is not the stored one. */
export interface CallDifference {
  /** The call's key in the store. */
  readonly call: string;
  /** Which of the run's own calls it is, in the order in which they were stored; from 1. */
  readonly position: number;
  /** Null where it cannot be told from the prompt. */
  readonly predictor: string | null;
  /** The id of the first candidate with this prompt and these weights, where there is one. */
  readonly candidate: string | null;
  /** The beginning of the user's turn. */
  readonly prompt: string;
  readonly difference: ResponseDifference;
  readonly stored: LmResponse;
  readonly now: LmResponse;
}

/** What computed the run's answers and what computes now, for one of its models. */
export interface EngineCheck {
  readonly base: string;
  /** Null: the run has none on record for this model. */
  readonly stored: Engine | null;
  readonly now: Engine;
  /** In words, such as `backend: "a" then, "b" now`. */
  readonly differences: readonly string[];
}

export interface Agreement {
  readonly compared: number;
  readonly equal: number;
}

/**
 * What came of asking a run's calls again. `agrees`: whatever could be compared byte for byte is equal. `differs`: `first` is not, or something is `altered`.
 * `not-comparable`: no call could be, because of another engine or one that does not repeat itself; `answers` says how often the texts agree.
 */
export interface Verification {
  readonly run: string;
  readonly status: 'agrees' | 'differs' | 'not-comparable';
  readonly calls: {
    readonly stored: number;
    readonly sampled: number;
    /** Not asked again: they brought the model host down. */
    readonly skipped: { readonly crash: number; readonly timeout: number };
  };
  readonly bytes: Agreement;
  readonly answers: Agreement;
  /** Of `answers`, how many were made by an engine that is not this one; the others by an engine that does not repeat its bytes. */
  readonly ofOtherEngines: number;
  readonly engines: readonly EngineCheck[];
  /** What is named by the hash of its content and is not that any more, such as `example 3f2a… (train, row 12)`. */
  readonly altered: readonly string[];
  readonly first: CallDifference | null;
}
