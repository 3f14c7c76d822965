import type { SharedRequest } from './call-key.ts';
import type { DataSet } from './data-set.ts';
import type { RunEvent } from './event.ts';
import type { Example, SplitName } from './example.ts';
import type { Fields, Json } from './json.ts';
import type { Engine, LmRequest, LmResponse } from './lm.ts';
import type { TrainingFigures } from './trainer.ts';

/** A remembered training: where its files lie is the store's business, what they are is here. */
export interface StoredTraining extends TrainingFigures {
  readonly adapter: string;
  /** The gates' figures, so that a resumed run does not measure them again. */
  readonly gates: Json;
}

/** A remembered merge of an adapter into its base. */
export interface StoredMerge {
  readonly merged: string;
  readonly gates: Json;
}

/**
 * What a store keeps as files: adapters and merged models by their own sha256, and the trainer's form of an adapter, to continue from, by
 * the adapter's.
 */
export type KeptKind = 'adapter' | 'training' | 'merged';

/** One life of a run's process. `endedBy` is null while it lives, and stays null when it was killed. */
export interface Start {
  readonly number: number;
  readonly calls: number;
  /** Active time: from the start to its end, or to the last thing it stored. */
  readonly seconds: number;
  readonly endedBy: string | null;
}

/** Ids of examples. */
export type SplitIds = { readonly [split in SplitName]: readonly string[] };

export interface StoredRun {
  readonly id: string;
  readonly createdAt: string;
  /** The resolved experiment and everything else that the id is the hash of. */
  readonly experiment: Json;
}

/** How many calls a run made itself, and their tokens. */
export interface CallTotals {
  readonly made: number;
  readonly promptTokens: number;
  readonly cachedPromptTokens: number;
  readonly completionTokens: number;
  /** Forks among labels and sampled tokens, and at how many of them the plan overruled the model's own first choice. */
  readonly forks: number;
  readonly overruled: number;
}

/** What a run did between an event and the one after it. */
export interface RunSpan {
  /** The index of the event. */
  readonly after: number;
  readonly calls: number;
  readonly promptTokens: number;
  readonly cachedPromptTokens: number;
  readonly completionTokens: number;
  /** Active time: without the time between one start and the next. */
  readonly seconds: number;
}

/** A candidate of a run was measured on these examples of a test split. */
export interface TestEvaluation {
  readonly run: string;
  readonly candidate: string;
  readonly examples: readonly string[];
}

export interface StoredCall {
  /** The start of the run that made it. */
  readonly start: number;
  readonly request: LmRequest;
  /** What computed the answer. */
  readonly engine: Omit<Engine, 'reproducible'>;
  readonly response: LmResponse;
}

/** A call of a run as it is remembered: the user's text of its prompt, all that it shares with other calls, and its answer. */
export interface CallRecord {
  readonly user: string;
  readonly shared: SharedRequest;
  readonly response: LmResponse;
  readonly run: string;
  readonly start: number;
}

/**
 * The port of a run's memory. Insert-only: nothing that was written is changed or removed.
 * What was written is durable when the function returns, a call when its promise is fulfilled. Several processes may use one store at once.
 */
export interface Store {
  /** What a person calls this store, such as its path. */
  readonly name: string;
  recallCall(key: string): LmResponse | undefined;
  /**
   * The first answer stays: writing a second one under the same key has no effect. Calls of one moment may be written together; an error of
   * the disk reaches everyone who waits for one of them.
   */
  rememberCall(key: string, call: CallRecord): Promise<void>;
  callTotals(run: string): CallTotals;
  /** The keys of the calls that a run made itself, in the order in which they were remembered. */
  callKeys(run: string): readonly string[];
  call(key: string): StoredCall | undefined;
  recallEmbedding(key: string): Float32Array | undefined;
  /** All of them or none; the first vector under a key stays. */
  rememberEmbeddings(embeddings: ReadonlyMap<string, Float32Array>): void;
  recallTraining(key: string): StoredTraining | undefined;
  rememberTraining(key: string, training: StoredTraining, spec: Json): void;
  recallMerge(key: string): StoredMerge | undefined;
  rememberMerge(key: string, merge: StoredMerge, spec: Json): void;
  dataSet(id: string): DataSet | undefined;
  /** `id` is the hash of its content: what is there under it already is the same. */
  addDataSet(id: string, dataSet: DataSet): void;
  example(id: string): Example | undefined;
  /** All of them or none; what is there already stays. */
  addExamples(examples: readonly Example[]): void;
  /** The ids of a run's examples, in order; null for a run from before they were kept. */
  splits(run: string): SplitIds | null;
  addSplits(run: string, splits: SplitIds): void;
  run(id: string): StoredRun | undefined;
  /** Newest first. */
  runs(): readonly StoredRun[];
  addRun(run: { readonly id: string; readonly experiment: Json }): void;
  /** A model's engine, its layout with it, is chosen at the run's first start and kept. */
  layout(run: string, base: string): Fields | undefined;
  addLayout(run: string, base: string, layout: Fields): void;
  events(run: string): readonly RunEvent[];
  /** `index` counts from 0. Writing an equal event at the same place again has no effect; a different one is an error. */
  addEvent(run: string, index: number, event: RunEvent): void;
  /** One for each event, in order. A call belongs to the event that was stored before it. */
  spans(run: string): readonly RunSpan[];
  /** Of all runs: each is a time that somebody looked at a test split. */
  testEvaluations(): readonly TestEvaluation[];
  starts(run: string): readonly Start[];
  addStart(run: string): number;
  endStart(run: string, number: number, endedBy: string): void;
  /** Puts on record that a start tried to reach another machine. */
  addNetworkAttempt(run: string, start: number, to: string): void;
  /** How often all starts of a run did. */
  networkAttempts(run: string): number;
  /** What a finished run ended with; its presence is what makes it finished. */
  summary(run: string): Json | undefined;
  addSummary(run: string, summary: Json): void;
  /** Takes a file or folder in under an id (moved, then never changed) and returns where it lies now. */
  keepFile(kind: KeptKind, id: string, source: string): string;
  file(kind: KeptKind, id: string): string | undefined;
  /** A private folder for one training; it survives a crash, and is removed when the training has been remembered. */
  workFolder(id: string): string;
  dropWorkFolder(id: string): void;
  /** Holds the run for this process until the returned function is called; throws when another process holds it. */
  holdRun(id: string): () => void;
  close(): void;
}
