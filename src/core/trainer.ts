import type { AdapterFile, BaseModel, Probe, TokenRow } from './lm.ts';

export interface LoraSettings {
  readonly rank: number;
  readonly alpha: number;
  readonly dropout: number;
  readonly rsLora: boolean;
  /** Only the last n layers get an adapter; null for all. */
  readonly topLayers: number | null;
  /** Which linear layers of the decoder blocks: a part of the block, or names as PEFT has them, such as `q_proj`. */
  readonly targets: 'all' | 'attention' | 'mlp' | readonly string[];
}

export interface TrainingSettings {
  /** `sft`: the answers themselves. `dpo`: pairs of answers, of which the chosen one is to gain on the rejected one. */
  readonly method: 'sft' | 'dpo';
  /** How strongly `dpo` holds the model to what it was when training began; null for `sft`. */
  readonly beta: number | null;
  /** Optimizer steps. */
  readonly steps: number;
  /** Rows per optimizer step. */
  readonly batch: number;
  readonly learningRate: number;
  readonly warmupSteps: number;
  /** After the warm-up; the last two go down to 0 at the last step. */
  readonly schedule: 'constant' | 'linear' | 'cosine';
  /** `auto`: bfloat16 in the matrix products where the device computes it natively, else float32; the trainer's identity says which. */
  readonly precision: 'auto' | 'autocast-bf16' | 'float32' | 'bfloat16';
  /** The frozen base while training: `4bit` needs CUDA, and is refused elsewhere. */
  readonly quantization: 'none' | '4bit';
}

/** When held-out rows are looked at, and what their loss decides. */
export interface EvaluationSettings {
  /** Optimizer steps from one look to the next; after the last step there is a look too. */
  readonly everySteps: number;
  /** Looks in a row that are not below the best one, after which training ends. */
  readonly patience: number;
  /** Which weights are handed out: those of the lowest loss, or the last. */
  readonly keep: 'best' | 'last';
}

/** A row to learn, or, with `rejectedIds`, a pair: the completion is to gain on them. */
export interface LearnedRow extends TokenRow {
  readonly rejectedIds?: readonly number[];
}

/** Everything that decides the adapter's bytes; its hash is the key under which a training is remembered. */
export interface TrainingSpec {
  readonly base: string;
  /** The adapter to continue from, or null for a fresh one. */
  readonly startFrom: string | null;
  readonly rows: readonly LearnedRow[];
  readonly lora: LoraSettings;
  readonly training: TrainingSettings;
  /** Rows that are not trained on; null without any. */
  readonly evaluation: (EvaluationSettings & { readonly rows: readonly LearnedRow[] }) | null;
  readonly seed: number;
}

/** A comparison of two engines on the same tokens. Divergences are natural-log KL, averaged over `positions`. */
export interface Parity {
  readonly positions: number;
  readonly meanKl: number;
  readonly worstKl: number;
}

/** How far an adapter moves the runtime; `share`: how much of what it moves the trainer, in the same direction. */
export interface Effect extends Parity {
  readonly share: number;
}

/** A row as it was trained on, and what the trainer says of it afterwards. */
export interface RescoredRow extends TokenRow {
  /** Its place among the rows of the spec. */
  readonly row: number;
  /** Natural logarithm of the probability of each token of the completion, with the adapter. */
  readonly logProbabilities: readonly number[];
}

/** Rows re-scored by two engines: how far apart their log-probabilities of a completion's tokens are, in nats. */
export interface RowParity {
  readonly rows: number;
  readonly tokens: number;
  readonly meanDifference: number;
  readonly worstDifference: number;
}

export interface TrainingProgress {
  readonly step: number;
  readonly steps: number;
  readonly loss: number;
  readonly secondsLeft: number;
}

export interface LossAtStep {
  readonly step: number;
  /** Per learned token. */
  readonly loss: number;
}

/** What a training came to, in figures. */
export interface TrainingFigures {
  /** Optimizer steps that were made: fewer than asked for where patience ended them. */
  readonly steps: number;
  /** The step whose weights the adapter has. */
  readonly keptStep: number;
  readonly losses: readonly LossAtStep[];
  /** Of rows that were not trained on. */
  readonly heldOutLosses: readonly LossAtStep[];
  /** KL(base || adapted) on text that is foreign to the rows: how much of the base was forgotten. */
  readonly forgetting: Parity;
  readonly supervisedTokens: number;
  readonly seconds: number;
}

/** A training as a run has it on record, beside its adapter and its last loss. */
export interface TrainingOutcome {
  readonly method: TrainingSettings['method'];
  /** The adapter that it went on from; null: a fresh one. */
  readonly startFrom: string | null;
  readonly keptStep: number;
  readonly heldOut: { readonly rows: number; readonly losses: readonly LossAtStep[] } | null;
  /** How far the adapter moves the base on neutral text. */
  readonly forgetting: Parity;
}

/** An adapter, and next-token distributions as the trainer computes them, to be compared with the runtime's. */
export interface Trained extends TrainingFigures {
  readonly adapter: AdapterFile;
  /** The same weights in the trainer's own form, to continue from. */
  readonly resumeFrom: string;
  readonly probeBase: readonly Float32Array[];
  readonly probeAdapter: readonly Float32Array[];
  /** A few of the rows, spread over all of them. */
  readonly rescored: readonly RescoredRow[];
}

export interface TrainOptions {
  readonly base: BaseModel;
  /** The trainer's own form of `spec.startFrom`. */
  readonly startFolder: string | null;
  /** Private to this training; what an interrupted one left there is used to go on. */
  readonly folder: string;
  readonly probes: readonly Probe[];
  /** Where the base should stay as it is. */
  readonly neutral: readonly Probe[];
  readonly signal?: AbortSignal;
  onProgress?(progress: TrainingProgress): void;
  /** A line about a phase that takes long, such as the import of a base. */
  onPhase?(phase: string): void;
}

/** How the tensors that an adapter touches are written into a merged GGUF; all others stay as they are. */
export type MergedType = 'Q8_0' | 'F16';

/** Two files to become one. */
export interface MergeOrder {
  readonly base: BaseModel;
  readonly adapter: AdapterFile;
  readonly type: MergedType;
}

/** Next-token distributions at the probes, of the prepared base and of the same with an adapter on it. */
export interface Reference {
  readonly base: readonly Float32Array[];
  readonly adapter: readonly Float32Array[];
}

type JobOptions = Pick<TrainOptions, 'folder' | 'signal' | 'onPhase'>;

/** The port that every trainer implements. */
export interface Trainer {
  /** Versions, device and threads: all of the trainer that can change an adapter's bytes. */
  identity(): Promise<{ readonly [key: string]: string | number }>;
  /**
   * Makes the base trainable (once for each model) and returns its next-token distributions at the probes, for the parity gate.
   * Resolves to null when a base was prepared and accepted before.
   */
  prepare(options: Omit<TrainOptions, 'startFolder' | 'neutral'>): Promise<readonly Float32Array[] | null>;
  /** Called when the prepared base has passed the gate: later runs need not compare it again. */
  accept(base: BaseModel, parity: Parity): Promise<void>;
  train(spec: TrainingSpec, options: TrainOptions): Promise<Trained>;
  /** Writes base and adapter into one GGUF in the folder; equal orders give equal bytes. */
  merge(order: MergeOrder, options: JobOptions): Promise<AdapterFile>;
  /** Computes what an adapter, in the trainer's own form, makes of a base that was prepared. */
  reference(adapterFolder: string, options: JobOptions & Pick<TrainOptions, 'base' | 'probes'>): Promise<Reference>;
}
