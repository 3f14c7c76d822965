import type { Program } from '../core/callable.ts';
import type { Json } from '../core/json.ts';
import type { LanguageModel } from '../core/lm.ts';
import type { Store } from '../core/store.ts';
import type { CheckedStrategy } from '../core/strategy.ts';
import type { Trainer } from '../core/trainer.ts';
import type { RunSettings } from './experiment.ts';
import type { ExampleLike } from './splits.ts';

// Programs of any types: a program is only called by its owner, who knows them.
export type AnyProgram = Pick<Program, 'structure' | 'drafts' | 'models' | 'adapters' | 'embeddings'>;

/** Arguments of one step: a teacher or data of its own, and changed parameters of its optimizer. */
export interface StepArguments {
  readonly teacher?: AnyProgram | readonly AnyProgram[];
  readonly promptModel?: LanguageModel;
  readonly trainset?: readonly ExampleLike[];
  readonly valset?: readonly ExampleLike[];
  readonly [parameter: string]: unknown;
}

export interface CompileOptions<K extends string, S extends string = string> extends Partial<RunSettings> {
  readonly trainset: readonly ExampleLike[];
  /** Without one, `valsetRatio` of the trainset is taken aside (seeded, stratified); an empty list means: none. */
  readonly valset?: readonly ExampleLike[];
  /** Sealed: opened once, at the end, for the chosen program and the baseline. */
  readonly testset?: readonly ExampleLike[];
  readonly valsetRatio?: number;
  /** Without a testset, this much of the trainset is sealed first; default 0. */
  readonly testsetRatio?: number;
  /** Goes on, with a notice, although test rows stand in train or val too; default: such data is refused. */
  readonly allowLeaks?: boolean;
  /** Where rows stand, such as `tickets.jsonl:12`, for messages about them; default: `trainset[11]`. */
  readonly places?: ReadonlyMap<ExampleLike, string>;
  /** Keys of optimizers joined by arrows; default `p -> w -> p`. */
  readonly strategy?: CheckedStrategy<S, K>;
  readonly teacher?: AnyProgram | readonly AnyProgram[];
  /** Writes the proposals of prompt steps; default: the student's own base model. */
  readonly promptModel?: LanguageModel;
  /** 0 (the default) is a seed like any other. */
  readonly seed?: number;
  /** Examples under way at once; it has no effect on the result. */
  readonly numThreads?: number;
  readonly optimizerCompileArgs?: { readonly [key in K]?: StepArguments };
  /** A path, or an open store. Without one, memory lives in this process only. */
  readonly store?: string | Store;
  readonly trainer?: Trainer;
  readonly signal?: AbortSignal;
  /** What the user wrote, for the run's manifest; the command line puts its words there. */
  readonly given?: Json;
  /** Whose git commit and changes the manifest has; default: the working folder. */
  readonly folder?: string;
  /** By content, what else decides the run: sha256 of the experiment file and its imports. */
  readonly sources?: readonly string[];
}
