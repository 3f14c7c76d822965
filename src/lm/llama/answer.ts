import type { Failure } from '../../core/failure.ts';
import type { AnswerPart, AnswerPlan, LmResponse, Sampling, ValueEnd } from '../../core/lm.ts';
import { seededRng } from '../../core/rng.ts';
import { labelTrie, type TrieNode } from './label-trie.ts';
import { isComplete } from './value-end.ts';

/** What decoding must know about a model's tokens. */
export interface Vocabulary {
  /** Plain text; nothing in it becomes a control token. */
  tokenize(text: string): readonly number[];
  /** The text of `ids` where they stand behind `before`. */
  textOf(ids: readonly number[], before: readonly number[]): string;
  endsTurn(id: number): boolean;
  readonly endOfTurn: number;
}

/** How the tokens of one value are drawn. Its identity is the draw sequence: a sampler is used for one value of one request. */
export interface Sampler {
  readonly grammar: string | null;
  readonly temperature: number;
  readonly topP: number;
  readonly seed: number;
}

/** A forward pass that an answer needs next: `tokens` are appended to the cache, and the last one's successor is asked for. */
export type Step =
  | { readonly kind: 'weigh'; readonly tokens: readonly number[]; readonly among: readonly number[] }
  | { readonly kind: 'sample'; readonly tokens: readonly number[]; readonly sampler: Sampler }
  | { readonly kind: 'measure'; readonly tokens: readonly number[]; readonly at: readonly number[] };

export type StepResult =
  /** Logits of `among`, in its order. */
  | { readonly kind: 'weigh'; readonly logits: readonly number[] }
  | { readonly kind: 'sample'; readonly token: number }
  /** One natural log distribution for each index in `at`. */
  | { readonly kind: 'measure'; readonly distributions: readonly Float32Array[] };

/** Work in steps: whoever drives it does the forward passes and hands in what they gave. */
export type Steps<Result> = Generator<Step, Result, StepResult>;

type CompiledPart =
  | { readonly type: 'text'; readonly text: string; readonly ids: readonly number[] }
  | {
      readonly type: 'choice';
      readonly options: readonly string[];
      readonly paths: readonly (readonly number[])[];
      readonly trie: TrieNode;
    }
  | { readonly type: 'value'; readonly grammar: string | null; readonly end: ValueEnd };

export type CompiledPlan = readonly CompiledPart[];

/** Turns an answer plan into tokens, piece by piece, with the borders that training rows have too. */
export function compilePlan(plan: AnswerPlan, vocabulary: Vocabulary): CompiledPlan {
  if (plan === null) return [{ type: 'value', grammar: null, end: { kind: 'turn' } }];
  return plan.map((part, index) => compilePart(part, plan.slice(index + 1), vocabulary));
}

function compilePart(part: AnswerPart, rest: readonly AnswerPart[], vocabulary: Vocabulary): CompiledPart {
  if (part.type === 'text') return { ...part, ids: vocabulary.tokenize(part.text) };
  if (part.type === 'choice') {
    const paths = part.options.map((option) => vocabulary.tokenize(option));
    const follower = firstToken(rest, vocabulary);
    return { ...part, paths, trie: labelTrie(paths.map((path) => [...path, ...follower])) };
  }
  if (part.end.kind === 'turn' && rest.length > 0)
    throw new TypeError(`A value that ends the turn is followed by ${JSON.stringify(rest[0])}`);
  return part;
}

/** The one token that must come next, as far as that is known: none when a sampled value or another choice follows. */
function firstToken(rest: readonly AnswerPart[], vocabulary: Vocabulary): readonly number[] {
  const [next, ...later] = rest;
  if (!next) return [vocabulary.endOfTurn];
  if (next.type !== 'text') return [];
  const [first] = vocabulary.tokenize(next.text);
  return first === undefined ? firstToken(later, vocabulary) : [first];
}

export interface AnswerTask {
  readonly plan: CompiledPlan;
  readonly promptIds: readonly number[];
  /** How many of them are in the cache when the answer begins. */
  readonly cachedIds: number;
  readonly sampling: Sampling;
  /** How many tokens a slot can hold. */
  readonly capacity: number;
  readonly vocabulary: Vocabulary;
}

/** Thrown inside an answer, returned by it as a response. */
class Stopped extends Error {
  readonly failure: Failure;

  constructor(failure: Failure) {
    super(failure.message);
    this.failure = failure;
  }
}

/**
 * Decodes an answer in as few forward passes as its plan allows: forced tokens wait for the next pass, a fork among labels costs one
 * pass, and what is forced after the last decision costs none.
 */
export function* answer(task: AnswerTask): Steps<LmResponse> {
  const draft = startDraft(task);
  try {
    draft.requirePromptFits();
    const pieces: string[] = [];
    for (const [index, part] of task.plan.entries()) pieces.push(yield* decodePart(part, index, draft));
    draft.append([task.vocabulary.endOfTurn]);
    return { failure: null, pieces, completionIds: draft.completionIds(), usage: draft.usage() };
  } catch (error) {
    if (error instanceof Stopped) return { failure: error.failure, usage: draft.usage() };
    throw error;
  }
}

type Draft = ReturnType<typeof startDraft>;

/** The tokens of an answer in progress, and which of them the cache already holds. */
function startDraft(task: AnswerTask) {
  const { promptIds, sampling, capacity } = task;
  const ids = [...promptIds];
  let cached = task.cachedIds;
  const completed = () => ids.length - promptIds.length;
  const textSince = (start: number): string =>
    task.vocabulary.textOf(ids.slice(promptIds.length + start), ids.slice(0, promptIds.length + start));
  const tooLong = (message: string) => new Stopped({ kind: 'length', message });
  return {
    task,
    completionIds: () => ids.slice(promptIds.length),
    usage: () => ({ prompt: promptIds.length, cachedPrompt: task.cachedIds, completion: completed() }),
    requirePromptFits() {
      if (promptIds.length <= capacity) return;
      throw tooLong(
        `The prompt has ${promptIds.length} tokens and a context of this host holds ${capacity}. Use fewer or shorter demos, or open the model with more contextTokens.`,
      );
    },
    append(tokens: readonly number[]) {
      if (completed() + tokens.length > sampling.maxTokens)
        throw tooLong(
          `The answer needs more than ${sampling.maxTokens} tokens (maxTokens); ${completed()} were decoded and ${tokens.length} more had to follow. It ends: ${JSON.stringify(textSince(0).slice(-80))}`,
        );
      ids.push(...tokens);
    },
    /** The tokens that the next pass has to evaluate. */
    take(): readonly number[] {
      if (ids.length > capacity)
        throw tooLong(
          `The context is full: ${promptIds.length} prompt tokens and ${completed()} of the answer, and it holds ${capacity}. Use a shorter prompt, or open the model with more contextTokens.`,
        );
      const tokens = ids.slice(cached);
      cached = ids.length;
      return tokens;
    },
    textSince,
    completed,
  };
}

function* decodePart(part: CompiledPart, index: number, draft: Draft): Steps<string> {
  switch (part.type) {
    case 'text':
      draft.append(part.ids);
      return part.text;
    case 'choice':
      return yield* decodeChoice(part, index, draft);
    case 'value':
      return yield* decodeValue(part, index, draft);
  }
}

function* decodeChoice(part: CompiledPart & { type: 'choice' }, index: number, draft: Draft): Steps<string> {
  const { sampling } = draft.task;
  const rng = seededRng(`${sampling.seed}/part-${index}`);
  let node = part.trie;
  const start = draft.completed();
  while (node.option === null) {
    const children = [...node.children.keys()];
    let chosen = children[0]!;
    if (children.length > 1) {
      const logits = yield* weigh(draft.take(), children);
      chosen = children[pick(logits, sampling, rng.next)]!;
    }
    node = node.children.get(chosen)!;
    // A leaf's token belongs to what follows the option; a leaf without a follower is its own last token.
    if (node.option === null) draft.append([chosen]);
  }
  const path = part.paths[node.option]!;
  draft.append(path.slice(draft.completed() - start));
  return part.options[node.option]!;
}

function* decodeValue(part: CompiledPart & { type: 'value' }, index: number, draft: Draft): Steps<string> {
  const { sampling, vocabulary } = draft.task;
  const { temperature, topP } = sampling;
  const seed = seededRng(`${sampling.seed}/part-${index}`).int(2 ** 31);
  const sampler: Sampler = { grammar: part.grammar, temperature, topP, seed };
  const start = draft.completed();
  for (;;) {
    const token = yield* sample(draft.take(), sampler);
    if (vocabulary.endsTurn(token)) return draft.textSince(start);
    draft.append([token]);
    const text = draft.textSince(start);
    if (isComplete(text, part.end)) return text;
  }
}

/** The index of the option to take: the most probable (of equals the first), or above temperature 0 one drawn from the nucleus. */
export function pick(
  logits: readonly number[],
  { temperature, topP }: Pick<Sampling, 'temperature' | 'topP'>,
  draw: () => number,
): number {
  const ranked = logits
    .map((logit, index) => ({ logit, index }))
    .sort((a, b) => b.logit - a.logit || a.index - b.index);
  const best = ranked[0]!;
  if (temperature <= 0) return best.index;
  const kept = nucleus(
    ranked.map(({ logit }) => Math.exp(logit - best.logit)),
    topP,
  );
  const weights = ranked.slice(0, kept).map(({ logit }) => Math.exp((logit - best.logit) / temperature));
  const chosen = indexAtShare(weights, draw());
  return ranked[chosen]!.index;
}

/** How many of the ranked weights make up the share `topP`, as llama.cpp's sampler counts it: at temperature 1, at least one. */
const nucleus = (weights: readonly number[], topP: number): number => indexAtShare(weights, topP) + 1;

/** The first index up to which the weights add up to this share of their sum. */
function indexAtShare(weights: readonly number[], share: number): number {
  const goal = share * weights.reduce((sum, weight) => sum + weight, 0);
  let sum = 0;
  for (const [index, weight] of weights.entries()) {
    sum += weight;
    if (sum >= goal) return index;
  }
  return weights.length - 1;
}

export function* weigh(tokens: readonly number[], among: readonly number[]): Steps<readonly number[]> {
  const result = yield { kind: 'weigh', tokens, among };
  if (result.kind !== 'weigh') throw new TypeError(`Asked for logits, got "${result.kind}"`);
  return result.logits;
}

function* sample(tokens: readonly number[], sampler: Sampler): Steps<number> {
  const result = yield { kind: 'sample', tokens, sampler };
  if (result.kind !== 'sample') throw new TypeError(`Asked for a token, got "${result.kind}"`);
  return result.token;
}

export function* measure(tokens: readonly number[], at: readonly number[]): Steps<readonly Float32Array[]> {
  const result = yield { kind: 'measure', tokens, at };
  if (result.kind !== 'measure') throw new TypeError(`Asked for distributions, got "${result.kind}"`);
  return result.distributions;
}
