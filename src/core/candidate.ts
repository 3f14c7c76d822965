import { contentId, type Fields, type Json } from './json.ts';
import type { Signature } from './signature.ts';

/** One worked example in a prompt. `source` is the id of the train example it came from. */
export interface Demo {
  readonly inputs: Fields;
  readonly outputs: Fields;
  readonly source: string;
}

/** How a call is laid out as chat messages; see core/chat-format. */
export type ChatFormatName = 'json' | 'value' | 'lines' | 'markers';

/**
 * How a value is taken from a closed set of labels. `greedy` takes the most probable token at each fork of the labels' tokens;
 * `most-probable` the most probable whole label; a calibration the same after the labels' own bias is taken off.
 */
export type ChoiceRule = 'greedy' | 'most-probable' | Calibration;

/** How probable each label is whatever the input, by output field and in the order of its labels: small models lean to some of them. */
export interface Calibration {
  readonly priors: { readonly [output: string]: readonly number[] };
}

/** `constrained` decodes under a grammar made from the signature, so that no output can fail to parse; `free` does not. */
export type Decoding = 'constrained' | 'free';

/** Weights, by content: sha256 of the base GGUF and of the LoRA adapter on top of it. */
export interface ModelRef {
  readonly base: string;
  readonly adapter: string | null;
  /** sha256 of a GGUF that holds both, and answers in their place. What is trained on is the base all the same. */
  readonly merged?: string;
}

/** All that an optimizer may change about one predictor: its prompt (p) and its model (w). */
export interface PredictorState {
  readonly instructions: string;
  readonly demos: readonly Demo[];
  /** So many of the demos are shown: those that are most like the question, by embeddings of the base. Absent: all, to every question. */
  readonly nearest?: number;
  readonly chatFormat: ChatFormatName;
  /** Leaves the labels of choices among texts out of the prompt; default: it names them. Constrained answers are labels all the same. */
  readonly labelList?: 'omitted';
  readonly choice: ChoiceRule;
  readonly decoding: Decoding;
  readonly model: ModelRef;
}

/** Everything an optimizer may change, per predictor, as a plain value. */
export interface Candidate {
  readonly predictors: { readonly [name: string]: PredictorState };
}

// `as`: a candidate is JSON all through; interfaces only lack the index signature that would say so.
export const candidateId = (candidate: Candidate): string => contentId(candidate as unknown as Json);

/** The candidate a program starts as: the signatures' own instructions, no demos, the base weights. */
export function initialCandidate(
  signatures: { readonly [name: string]: Signature },
  state: Pick<PredictorState, 'chatFormat' | 'decoding' | 'model'>,
): Candidate {
  const predictors = Object.entries(signatures).map(([name, { instructions }]): [string, PredictorState] => [
    name,
    { instructions, demos: [], choice: 'greedy', ...state },
  ]);
  return { predictors: Object.fromEntries(predictors) };
}

/** A new candidate in which one predictor differs. */
export function withPredictor(candidate: Candidate, name: string, change: Partial<PredictorState>): Candidate {
  const current = predictorState(candidate, name);
  return { predictors: { ...candidate.predictors, [name]: { ...current, ...change } } };
}

/** The predictor's state with these demos, all of them shown to every question. */
export function showing<State extends Pick<PredictorState, 'demos' | 'nearest'>>(
  state: State,
  demos: readonly Demo[],
): Omit<State, 'nearest'> {
  const { nearest: _, ...rest } = state;
  return { ...rest, demos };
}

/** A new candidate in which every predictor is changed by the same function. */
export function mapPredictors(
  candidate: Candidate,
  change: (state: PredictorState, name: string) => PredictorState,
): Candidate {
  const entries = Object.entries(candidate.predictors).map(([name, state]) => [name, change(state, name)]);
  return { predictors: Object.fromEntries(entries) };
}

export function predictorState(candidate: Candidate, name: string): PredictorState {
  const state = candidate.predictors[name];
  if (!state) {
    const known = Object.keys(candidate.predictors).join(', ');
    throw new TypeError(`There is no predictor "${name}"; this candidate has: ${known}`);
  }
  return state;
}

/** The different weights that a candidate runs on, in predictor order. */
export function modelsOf(candidate: Candidate): ModelRef[] {
  const byId = new Map(
    Object.values(candidate.predictors).map(({ model }) => [`${model.base}+${model.adapter}+${model.merged}`, model]),
  );
  return [...byId.values()];
}

/** sha256 of the GGUF that a host opens for these weights. */
export const servedFile = ({ base, merged }: ModelRef): string => merged ?? base;

/** sha256 of the adapter that is loaded on top of that file. */
export const loadedAdapter = ({ adapter, merged }: ModelRef): string | null => (merged === undefined ? adapter : null);

/** sha256 of the files that weight steps have made for a candidate. */
export const trainedFiles = (candidate: Candidate): string[] =>
  modelsOf(candidate).flatMap(({ adapter, merged }) => [adapter, merged].filter((file) => file != null));
