import { type Candidate, loadedAdapter, type ModelRef, mapPredictors, type PredictorState } from './candidate.ts';
import { formatMistakes } from './chat-format.ts';
import { choiceMistakes } from './choice.ts';
import { type EmbedCall, type Embeddings, embeddingId, embedOnce, embedWith } from './embedding.ts';
import { InputError } from './errors.ts';
import { ExampleFailure } from './failure.ts';
import type { Fields } from './json.ts';
import type { AdapterFile, LanguageModel, LmRequest, LmResponse } from './lm.ts';
import {
  type Attempt,
  type CallPredictor,
  type Predictors,
  prepare,
  type RunResult,
  runProgram,
  type Structure,
} from './program.ts';
import { type InputsOf, type OutputsOf, type Signature, withReasoning } from './signature.ts';
import type { Call, Trace } from './trace.ts';

/** What a predictor starts with, apart from its signature's instructions and its model. */
export type PredictorOptions = Partial<
  Pick<PredictorState, 'chatFormat' | 'labelList' | 'decoding' | 'choice' | 'demos' | 'nearest'>
>;

/** A predictor's state before it has a model. */
type Draft = Omit<PredictorState, 'model'> & { readonly model: PredictorState['model'] | null };

export interface CallOptions {
  readonly signal?: AbortSignal;
  /** Default: greedy. Equal inputs with equal sampling, seed included, have equal answers. */
  readonly sampling?: Attempt;
}

export interface Prediction<O = Fields> {
  readonly outputs: O;
  /** From 0 to 1, for each output that has a closed set of labels: the share of the label taken, by the choice rule. */
  readonly confidence: { readonly [output: string]: number };
  /** Every call of a model that this took, with the very prompt that was sent. */
  readonly trace: Trace;
}

/**
 * A program that can be called, as an immutable value: code, prompts and models. Every `with…` returns a new one.
 * A call throws an ExampleFailure when the model cannot answer.
 */
export interface Program<I = Fields, O = Fields> {
  (inputs: I, options?: CallOptions): Promise<O>;
  /** The same with how sure the model was. */
  predict(inputs: I, options?: CallOptions): Promise<Prediction<O>>;
  readonly structure: Structure;
  readonly drafts: { readonly [predictor: string]: Draft };
  readonly models: ReadonlyMap<string, LanguageModel>;
  /** The files that weight steps have made: adapters, and merged models. */
  readonly adapters: ReadonlyMap<string, AdapterFile>;
  /** What is known of the demos that are chosen by likeness; others are asked of their model once. */
  readonly embeddings: Embeddings;
  /** Embeddings by the program's models. */
  readonly embed: EmbedCall;
  /** One call of one of the program's models. */
  answer(request: LmRequest, signal?: AbortSignal): Promise<LmResponse>;
  /** The same program on this model: all of its predictors, or the named one. */
  withLm(lm: LanguageModel, predictor?: string): Program<I, O>;
  /** The same program as an optimizer left it; the candidate's models must be among the program's own. */
  withCandidate(candidate: Candidate, adapters?: readonly AdapterFile[], embeddings?: Embeddings): Program<I, O>;
}

type Row<S extends Signature, Side extends 'inputs' | 'outputs'> = Side extends 'inputs' ? InputsOf<S> : OutputsOf<S>;

/** One call of a model: inputs in, outputs out. Its predictor is named `predict`. */
export function predict<S extends Signature>(
  signature: S,
  options: PredictorOptions = {},
): Program<Row<S, 'inputs'>, Row<S, 'outputs'>> {
  return program({
    predictors: { predict: signature as Signature },
    // `as`: the erased types of one predictor, put back by this function's own type.
    run: (inputs: Row<S, 'inputs'>, call) => call('predict', inputs as Fields) as Promise<Row<S, 'outputs'>>,
    options,
  });
}

/** Like `predict`, but the model writes its reasoning first; the prediction has it as `reasoning`. */
export function chainOfThought<S extends Signature>(
  signature: S,
  options: PredictorOptions = {},
): Program<Row<S, 'inputs'>, Row<S, 'outputs'> & { reasoning: string }> {
  // `as`: withReasoning adds exactly this field.
  return predict(withReasoning(signature), options) as unknown as Program<
    Row<S, 'inputs'>,
    Row<S, 'outputs'> & { reasoning: string }
  >;
}

/** Several predictors with ordinary code between them. */
export function program<const P extends Predictors, I, O>(spec: {
  readonly predictors: P;
  run(inputs: I, call: CallPredictor<P>): Promise<O>;
  readonly options?: PredictorOptions;
}): Program<I, O> {
  const { predictors, run, options = {} } = spec;
  const drafts = Object.entries(predictors).map(([name, { instructions }]): [string, Draft] => [
    name,
    { instructions, demos: [], chatFormat: 'json', choice: 'greedy', decoding: 'constrained', ...options, model: null },
  ]);
  const mistakes = drafts.flatMap(([name, draft]) =>
    draftMistakes(predictors[name]!, draft).map((mistake) => `The predictor "${name}": ${mistake}`),
  );
  if (mistakes.length > 0)
    throw new InputError('chat-format', mistakes, 'Choose another chatFormat, decoding, choice or nearest.');
  // `as`: from here on the fields' types are erased; the interface that is returned keeps them for the user.
  const structure = { predictors, run } as unknown as Structure;
  return callable({
    structure,
    drafts: Object.fromEntries(drafts),
    models: new Map(),
    adapters: new Map(),
    embeddings: new Map(),
  });
}

function draftMistakes(signature: Signature, draft: Draft): string[] {
  const { nearest = 1 } = draft;
  if (!Number.isInteger(nearest) || nearest < 1)
    return [`"nearest" is ${nearest}; it is a number of demos, at least 1.`];
  const mistakes = formatMistakes(signature, draft);
  return mistakes.length > 0 ? mistakes : choiceMistakes(signature, draft);
}

type Parts = Pick<Program, 'structure' | 'drafts' | 'models' | 'adapters' | 'embeddings'>;

/** A program made of parts of other ones. */
export function callable<I, O>(parts: Parts): Program<I, O> {
  const { structure, drafts, models, adapters, embeddings } = parts;
  const embed = embedOnce({
    recall: (base, text) => embeddings.get(embeddingId(base, text)),
    ask: async (base, texts) => embedWith(modelOf(parts, base), texts),
  });
  const answer = async (request: LmRequest, signal?: AbortSignal): Promise<LmResponse> =>
    (await hostOf(parts, request.model)).generate(request, {
      adapter: fileOf(parts, 'adapter', loadedAdapter(request.model)),
      ...(signal ? { signal } : {}),
    });
  const predicted = async (inputs: I, { signal, sampling = {} }: CallOptions = {}): Promise<Prediction<O>> => {
    const result = await runProgram({
      program: prepare(structure, candidateOf(parts), sampling, embed),
      // `as` here and for the outputs: the structure checks both against its signatures.
      inputs: inputs as Fields,
      answer: (request) => answer(request, signal),
    });
    if (result.failure) throw result.thrown ?? new ExampleFailure(result.failure);
    return { outputs: result.outputs as O, confidence: confidenceOf(result), trace: result.trace };
  };
  const call = async (inputs: I, options?: CallOptions): Promise<O> => (await predicted(inputs, options)).outputs;
  return Object.assign(call, {
    structure,
    drafts,
    models,
    adapters,
    embeddings,
    embed,
    answer,
    predict: predicted,
    withLm(lm: LanguageModel, predictor?: string) {
      if (predictor !== undefined && !Object.hasOwn(drafts, predictor)) {
        const known = Object.keys(drafts).join(', ');
        throw new InputError(
          'predictor-unknown',
          [`There is no predictor "${predictor}".`],
          `The program has: ${known}.`,
        );
      }
      const model = { base: lm.base.sha256, adapter: null };
      const changed = Object.entries(drafts).map(([name, draft]) => [
        name,
        predictor === undefined || predictor === name ? { ...draft, model } : draft,
      ]);
      return callable<I, O>({
        ...parts,
        drafts: Object.fromEntries(changed),
        models: new Map([...models, [lm.base.sha256, lm]]),
      });
    },
    withCandidate(candidate: Candidate, files: readonly AdapterFile[] = [], vectors: Embeddings = new Map()) {
      const known = new Map([...adapters, ...files.map((file): [string, AdapterFile] => [file.sha256, file])]);
      return callable<I, O>({
        ...parts,
        drafts: candidate.predictors,
        adapters: known,
        embeddings: new Map([...embeddings, ...vectors]),
      });
    },
  });
}

/** An output has the confidence of the last call that gave this very value: others may have been outvoted. */
function confidenceOf({ outputs, trace }: RunResult): Prediction['confidence'] {
  const agreeing = trace.map(({ choices, outputs: given }) =>
    Object.entries(choices).filter(([output]) => given?.[output] === outputs?.[output]),
  );
  const known: Call['choices'] = Object.fromEntries(agreeing.flat());
  const given = Object.entries(known).filter(([output]) => outputs !== null && Object.hasOwn(outputs, output));
  return Object.fromEntries(given.map(([output, { confidence }]) => [output, confidence]));
}

/** The program's state as a candidate; an InputError that names every predictor without a model. */
export function candidateOf({ drafts }: Pick<Program, 'drafts'>): Candidate {
  const missing = Object.entries(drafts).filter(([, { model }]) => model === null);
  if (missing.length > 0) {
    const mistakes = missing.map(([name]) => `The predictor "${name}" has no model.`);
    throw new InputError(
      'no-model',
      mistakes,
      'Give it one: program.withLm(await localModel({ gguf: "model.gguf" })).',
    );
  }
  // `as`: none is null, as was just checked.
  return mapPredictors({ predictors: drafts as Candidate['predictors'] }, (state) => state);
}

function modelOf({ models }: Parts, base: string): LanguageModel {
  const model = models.get(base);
  if (!model)
    throw new InputError('no-model', [`The program has no model for base ${base}.`], 'Give it with withLm().');
  return model;
}

/** Who answers for these weights: the base's host, or that of the merged file. */
async function hostOf(parts: Parts, { base, merged }: ModelRef): Promise<LanguageModel> {
  const model = modelOf(parts, base);
  const file = fileOf(parts, 'merged model', merged ?? null);
  if (file === null) return model;
  if (model.weights === null) throw new TypeError(`The model ${base} has no weights, but a merged file`);
  return model.weights.openMerged(file);
}

function fileOf({ adapters }: Parts, what: 'adapter' | 'merged model', sha256: string | null): AdapterFile | null {
  if (sha256 === null) return null;
  const file = adapters.get(sha256);
  if (!file)
    throw new InputError(
      'no-adapter',
      [`The program has no file for ${what} ${sha256}.`],
      'Load the program with loadProgram(), which brings it.',
    );
  return file;
}
