import type { ModelRef } from './candidate.ts';
import type { Failure } from './failure.ts';
import type { JsonSchema } from './field.ts';
import type { Notice } from './notice.ts';

/** A conversation to be answered. `system` and `turns` belong to the candidate and are shared by all its calls; `user` is this call's own. */
export interface Prompt {
  readonly system: string;
  readonly turns: readonly { readonly user: string; readonly assistant: string }[];
  readonly user: string;
}

/**
 * The answer, piece by piece. The borders between pieces are borders between tokens too: in decoding, in the labels' token paths and in
 * training rows alike.
 * `text` is forced. `choice` is one of a closed set. `value` is sampled under a GBNF grammar, which includes the text that ends it; where it
 * is a JSON value other than a string, `schema` says the same for servers that read no grammar.
 */
export type AnswerPart =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'choice'; readonly options: readonly string[] }
  | {
      readonly type: 'value';
      readonly grammar: string;
      readonly end: ValueEnd;
      readonly schema?: JsonSchema;
    };

/**
 * How one knows that a sampled value is complete: a JSON string body whose closing quote was written, a JSON value that parses (`after`:
 * the one character that must follow it, for numbers), a terminating text, or the model's end of turn.
 */
export type ValueEnd =
  | { readonly kind: 'json-string' }
  | { readonly kind: 'json'; readonly after: string }
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'turn' };

/** `null`: decoded freely until the model ends its turn. */
export type AnswerPlan = readonly AnswerPart[] | null;

export interface Sampling {
  /** 0 is greedy: of what follows only `repetitionPenalty` and `maxTokens` matter then. */
  readonly temperature: number;
  /** Only so many of the most probable tokens; 0: all. */
  readonly topK: number;
  /** Only the most probable tokens that together have this share; 1: all. */
  readonly topP: number;
  /** Only tokens at least this times as probable as the most probable one; 0: all. */
  readonly minP: number;
  /** Makes tokens among the last 64, those of the prompt included, so much less likely in sampled values; 1: off. */
  readonly repetitionPenalty: number;
  /** Completion tokens at most; one more is a `length` failure. */
  readonly maxTokens: number;
  /** Only matters above temperature 0, and is then part of the call's identity. */
  readonly seed: number;
}

/**
 * How an option of a `choice` is taken. `greedy`: the most probable token at each fork of the options' tokens. `most-probable`: the option
 * whose tokens together are the most probable. Priors, as natural logarithms for each option of each part (null for other parts): the
 * same after these are taken off.
 */
export type RequestChoice = 'greedy' | 'most-probable' | { readonly logPriors: readonly (readonly number[] | null)[] };

/** One call of a model, complete: equal requests to equal engines have equal answers. */
export interface LmRequest {
  readonly model: ModelRef;
  readonly prompt: Prompt;
  readonly answer: AnswerPlan;
  readonly choice: RequestChoice;
  readonly sampling: Sampling;
}

export interface TokenUsage {
  readonly prompt: number;
  /** How many of the prompt tokens were already in the cache. */
  readonly cachedPrompt: number;
  readonly completion: number;
}

/** How sure the model was of the option taken, from 0 to 1: its share among the options under the rule that took it. */
export interface ChoiceOutcome {
  readonly confidence: number;
  /** Of every option, in their order; null where the rule follows one token path and sees no other to its end. */
  readonly probabilities: readonly number[] | null;
}

/**
 * What staying inside the plan cost. `forks`: forks among options, and tokens sampled under a grammar; `overruled`: at how many of them the
 * model's own first choice was none that could follow.
 */
export interface ConstraintCost {
  readonly forks: number;
  readonly overruled: number;
}

/** `pieces` are the answer's texts, one for each part of the plan (one piece when decoded freely); `choices` has null for other parts. */
export interface LmAnswer {
  readonly pieces: readonly string[];
  readonly choices: readonly (ChoiceOutcome | null)[];
  readonly constraint: ConstraintCost;
  readonly completionIds: readonly number[];
  readonly usage: TokenUsage;
}

export type LmResponse =
  | ({ readonly failure: null } & LmAnswer)
  | { readonly failure: Failure; readonly usage: TokenUsage };

/** A prompt, and for training an answer's pieces, to be turned into token ids by the serving renderer. */
export interface TextRow {
  readonly prompt: Prompt;
  /** Texts in the borders of the answer's parts; null for the prompt alone. */
  readonly pieces: readonly string[] | null;
  /** How many of the first pieces are given with the prompt, as forced text is: there is nothing in them to learn. */
  readonly given?: number;
}

/** Token ids of the model. A completion ends with the end-of-turn token that serving stops on. */
export interface TokenRow {
  readonly promptIds: readonly number[];
  readonly completionIds: readonly number[];
}

/** Where to compare two engines: after which tokens (0-based positions in `ids`) the next-token distribution is wanted. */
export interface Probe {
  readonly ids: readonly number[];
  readonly positions: readonly number[];
}

/**
 * Which model this is. `sha256` is its name everywhere else: of the file's content, or, for a model behind an endpoint, of its identity (the
 * endpoint's address, the model's name, and what the server says of it). Of an endpoint's model, numbers that are not known are 0.
 */
export interface BaseModel {
  readonly sha256: string;
  /** Of the file; or the endpoint and the model's name, as `http://host:port/v1#name`. */
  readonly path: string;
  readonly name: string;
  readonly architecture: string;
  readonly parameters: number;
  readonly layers: number;
  readonly vocabularySize: number;
  readonly trainedContextTokens: number;
  /** `general.file_type` in words, such as `Q8_0`. */
  readonly fileType: string;
}

/** What computes the answers, and in which layout: chosen at a run's first start, part of every call key, reused at every resume. */
export interface Engine {
  readonly name: string;
  readonly version: string;
  /** How this package takes an answer from it: raised whenever the same engine may come to give another one. */
  readonly method: number;
  readonly build: string;
  readonly backend: string;
  readonly device: string;
  readonly threads: number;
  readonly sequences: number;
  readonly batchTokens: number;
  readonly contextTokens: number;
  readonly reproducible: 'bytes' | 'replay';
}

/** A file with LoRA weights, or with a base that has them merged into it, and the id it is known by. */
export interface AdapterFile {
  readonly sha256: string;
  readonly path: string;
}

/** What only a host that has the weights can do: everything that training needs beside answers. */
export interface Weights {
  /** The serving renderer, for training rows and for counting tokens. */
  encode(rows: readonly TextRow[]): Promise<TokenRow[]>;
  /**
   * The text of each token of a row, prompt and completion, control tokens as the model's file spells them. Of several tokens that make one
   * character, the last has it.
   */
  tokenTexts(rows: readonly TokenRow[]): Promise<string[][]>;
  /** Natural log-probabilities over the whole vocabulary, one array for each position of each probe, in order. */
  logProbabilities(probes: readonly Probe[], adapter: AdapterFile | null): Promise<Float32Array[]>;
  /**
   * Texts as vectors of length 1 (L2), all of one size, by the base without an adapter: the more alike two texts, the higher the cosine. A
   * vector is a function of its text and the engine. A text that does not fit the context has an empty one.
   */
  embed(texts: readonly string[]): Promise<Float32Array[]>;
  /**
   * The model in a file that holds this base with an adapter merged into it: a host of its own, in this one's layout where that is known.
   * It is released with this one.
   */
  openMerged(file: AdapterFile): Promise<LanguageModel>;
}

/** What opening a model takes of the memory of a GPU, by an estimate, and how much of it is free. */
export interface MemoryNeed {
  readonly bytes: number;
  readonly freeBytes: number;
}

/** Resolves when the memory may be taken: who had to make room for it is closed. */
export type MakeRoom = (need: MemoryNeed) => Promise<void>;

/** The port that every model host implements. One instance serves one base model and any number of its adapters. */
export interface LanguageModel {
  readonly base: BaseModel;
  /** What the user should know about how the model runs; complete once it was opened. */
  readonly notices: readonly Notice[];
  /**
   * Opens the model when it is closed. `wanted` is the engine of a run's first start: its layout is used again, whatever the hardware offers
   * now. Without it, `neededTokens` says how long the longest call may get, prompt and answer together: a host that chooses its context
   * itself makes it as large, as far as the model goes. `makeRoom` is asked before memory of a GPU is taken, now and at every later opening.
   */
  engine(wanted?: Engine, neededTokens?: number, makeRoom?: MakeRoom): Promise<Engine>;
  generate(
    request: LmRequest,
    options: { readonly adapter: AdapterFile | null; readonly signal?: AbortSignal },
  ): Promise<LmResponse>;
  /** Null: a model behind an endpoint, which answers but cannot be trained. */
  readonly weights: Weights | null;
  /** Ends the host and gives all its memory back. The next use opens it again, with the same engine. */
  release(): Promise<void>;
}
