import type { Candidate, ChatFormatName, ModelRef } from './candidate.ts';
import type { Dropped, TrainingRow } from './data-set.ts';
import type { EmbedCall } from './embedding.ts';
import type { Example } from './example.ts';
import type { Failure } from './failure.ts';
import type { Fields, Json } from './json.ts';
import type { TextRow } from './lm.ts';
import type { Evaluation, Metric } from './metric.ts';
import type { Notice } from './notice.ts';
import type { Attempt, Structure } from './program.ts';
import type { Rng } from './rng.ts';
import type { Signature } from './signature.ts';
import type { EvaluationSettings, LoraSettings, MergedType, TrainingSettings } from './trainer.ts';

/** A program that may show the student how it is done. It has the student's predictors, and models of its own. */
export interface Teacher {
  readonly structure: Structure;
  readonly candidate: Candidate;
}

/** The weight step's order: these rows, on this base, with these settings. */
export interface FitOrder {
  readonly base: string;
  readonly startFrom: string | null;
  readonly rows: readonly TrainingRow[];
  readonly lora: LoraSettings;
  readonly training: TrainingSettings;
  /** Null where no row is held out. */
  readonly evaluation: EvaluationSettings | null;
  readonly seed: number;
  /** How the adapter becomes one file with its base; null: it is served on top of it. */
  readonly merge: MergedType | null;
  /** What there is no row of, and why, for the record. */
  readonly dropped: Dropped;
}

/** What is known of a base model without opening it. */
export interface BaseFacts {
  readonly parameters: number;
  readonly layers: number;
  /** Whether it can say how probable each label is: a local model can, an endpoint cannot. */
  readonly givesProbabilities: boolean;
}

export interface EvaluateOptions {
  /** Default: the first attempt, greedy, as the finished program does it. */
  readonly attempt?: Attempt;
  /** Default: the student's own code. */
  readonly structure?: Structure;
  /** Default: the run's metric. */
  readonly metric?: Metric;
  /** Takes an example's own demo out of the prompt while that example is asked. */
  readonly leaveOneOut?: boolean;
}

export interface AskOptions {
  /** Default: greedy. */
  readonly attempt?: Attempt;
  /** Default: a JSON object; `value` for a single text that may be long. */
  readonly chatFormat?: ChatFormatName;
}

/** What the prompt model answered, or why there is nothing to read. */
export type Asked =
  | { readonly outputs: Fields; readonly failure: null }
  | { readonly outputs: null; readonly failure: Failure };

/** All that an optimizer can see and do. There is no test split here, so no optimizer can peek at it. */
export interface OptimizerContext {
  readonly structure: Structure;
  readonly train: readonly Example[];
  /** Empty when the run has none. */
  readonly val: readonly Example[];
  readonly teachers: readonly Teacher[];
  /** Who writes proposals and reflections: the prompt model of the run, else the student's base without its adapter. */
  readonly promptModel: ModelRef;
  readonly rng: Rng;
  readonly signal: AbortSignal;
  /**
   * Requests that are left before a limit of the run's budget is met; Infinity without one. A metric call that is left counts as one request
   * for each predictor, a token that is left as its share of the largest request of a row so far; 0 when the time is over.
   */
  callsLeft(): number;
  /** Runs the program on the examples; rows come back in their order. */
  evaluate(candidate: Candidate, examples: readonly Example[], options?: EvaluateOptions): Promise<Evaluation>;
  /** The same for several candidates at once, so that the model always has work; results and record are in the candidates' order. */
  evaluateAll(
    candidates: readonly Candidate[],
    examples: readonly Example[],
    options?: EvaluateOptions,
  ): Promise<Evaluation[]>;
  /** One question to the prompt model; what it answers is written under a grammar made from the signature. */
  ask(question: Signature, inputs: Fields, options?: AskOptions): Promise<Asked>;
  /** Puts a new candidate on record before it is measured. */
  propose(candidate: Candidate, parents: readonly Candidate[], note: string): void;
  /** Prompt and answer tokens of rows, as they would be served. */
  countTokens(base: string, rows: readonly TextRow[]): Promise<number[]>;
  /** Embeddings of texts by a base model, made once and remembered. They do not count as calls. */
  readonly embed: EmbedCall;
  base(sha256: string): BaseFacts;
  /** Usable tokens of one sequence, for prompt and answer together. */
  contextTokens(base: string): Promise<number>;
  /** Trains an adapter, passes what will be served through the gates, and returns the weights. */
  fit(order: FitOrder): Promise<ModelRef>;
  notice(notice: Notice): void;
}

/** One program that an optimizer tried, with its score on the examples that it selects on. */
export interface Trial {
  readonly candidate: Candidate;
  readonly score: number | null;
  readonly note: string;
}

/**
 * `trials` are in the order in which they were made; `candidate` is the one to go on with. `details` is what else the algorithm has to
 * show, such as its front or its counts; candidates are named by their ids.
 */
export interface Optimized {
  readonly candidate: Candidate;
  readonly trials: readonly Trial[];
  readonly details?: { readonly [name: string]: Json };
}

/** How much there is to work on. */
export interface WorkSizes {
  readonly train: number;
  readonly val: number;
  /** Model calls that one run of the program makes. */
  readonly predictors: number;
}

/** p and w have one shape: a candidate in, a candidate out. */
export interface Optimizer {
  /** The optimizer's public name, such as `bootstrapFewShot`. */
  readonly name: string;
  /** What it changes: the prompts (p) or the weights (w). */
  readonly kind: 'prompt' | 'weights';
  /** Resolved parameters, for the run's id and record. */
  readonly parameters: { readonly [name: string]: Json };
  optimize(parent: Candidate, context: OptimizerContext): Promise<Optimized>;
  /** Whether it needs a model that gives embeddings, which an endpoint does not. */
  readonly needsEmbeddings?: boolean;
  /** Requests that this step will make, roughly: for the time that is shown as left, never for a decision. */
  expectedCalls(sizes: WorkSizes): number;
  /** The same optimizer with other parameters; throws an InputError for a name or type that it does not have. */
  with(parameters: { readonly [name: string]: unknown }): Optimizer;
}
