import type { ChoiceOutcome, Sampling } from '../../core/lm.ts';
import type { CompiledChoice } from './compiled-plan.ts';
import type { Draft } from './draft.ts';
import { commonToken, type Place, type Way, waysOn } from './fork.ts';
import type { TrieNode } from './label-trie.ts';
import { type Steps, weigh } from './steps.ts';

/** An option taken, and how sure the model was of it. */
export interface Chosen {
  readonly option: number;
  readonly outcome: ChoiceOutcome;
}

/** Takes one option of a closed set and appends its tokens to the draft. */
export function* choose(part: CompiledChoice, draft: Draft, draw: () => number): Steps<Chosen> {
  const start = draft.completed();
  const chosen = part.rule === 'greedy' ? yield* byForks(part, draft, draw) : yield* byWholeLabels(part, draft, draw);
  const path = part.paths[chosen.option]!;
  const written = draft.completionIds().slice(start);
  // However the option was found, it stands there in its own tokens, as it does in training rows and in demos.
  const kept = written.findIndex((token, index) => token !== path[index]);
  draft.rewind(start + (kept === -1 ? written.length : kept));
  draft.append(path.slice(draft.completed() - start));
  return chosen;
}

/** One pass for each fork on the way, until one option is left: what greedy decoding under a grammar of the options comes to. */
function* byForks(part: CompiledChoice, draft: Draft, draw: () => number): Steps<Chosen> {
  const { vocabulary, sampling } = draft.task;
  const forks: { readonly ways: readonly Way[]; readonly shares: readonly number[] }[] = [];
  let place: Place = { open: distinct(part.options), written: 0, tokens: [] };
  while (place.open.length > 1) {
    const ways = waysOn(part, place, vocabulary);
    const common = commonToken(part, place);
    const isFork = ways.some(({ open }) => open.length < place.open.length);
    const forced = isFork || common === null ? undefined : ways.find(({ token }) => token === common);
    const way = forced ?? (yield* take(ways));
    place = { open: way.open, written: place.written + way.length, tokens: [...place.tokens, way.token] };
    if (place.open.length > 1) draft.append([way.token]);
  }
  const [option] = place.open;
  // `!`: an option is left as long as each way leaves one open.
  return { option: option!, outcome: { confidence: confidenceIn(option!), probabilities: null } };

  function* take(ways: readonly Way[]): Steps<Way> {
    const tokens = ways.map(({ token }) => token);
    const { logits, top } = yield* weigh(draft.take(), tokens);
    draft.countFork(tokens, top);
    forks.push({ ways, shares: shares(logits) });
    return ways[pick(logits, sampling, draw)]!;
  }

  /** At each fork the share of the ways that lead to the option. */
  function confidenceIn(taken: number): number {
    return forks.reduce((product, { ways, shares: all }) => {
      const leading = all.filter((_, index) => ways[index]!.open.includes(taken));
      return product * leading.reduce((sum, share) => sum + share, 0);
    }, 1);
  }
}

/** Of equal options the first: the others cannot be told from it, and are never taken. */
const distinct = (options: readonly string[]): number[] =>
  options.flatMap((option, index) => (options.indexOf(option) === index ? [index] : []));

/** One pass for each inner node of the tree of labels, and back: every label's probability is known then. */
function* byWholeLabels(part: CompiledChoice, draft: Draft, draw: () => number): Steps<Chosen> {
  // Of two options with the same tokens the second cannot be told from the first, and is never taken.
  const logits = part.options.map(() => Number.NEGATIVE_INFINITY);
  yield* weighBelow(part.trie, 0, draft, logits);
  const { rule } = part;
  const scores = typeof rule === 'object' ? logits.map((logit, index) => logit - rule.logPriors[index]!) : logits;
  const option = pick(scores, draft.task.sampling, draw);
  const probabilities = shares(scores);
  return { option, outcome: { confidence: probabilities[option]!, probabilities } };
}

function* weighBelow(node: TrieNode, logProbability: number, draft: Draft, found: number[]): Steps<void> {
  if (node.option !== null) {
    found[node.option] = logProbability;
    return;
  }
  const start = draft.completed();
  const children = [...node.children];
  const tokens = children.map(([token]) => token);
  const { logits, top, logWeight } = yield* weigh(draft.take(), tokens);
  if (children.length > 1) draft.countFork(tokens, top);
  for (const [index, [token, child]] of children.entries()) {
    if (child.option === null) draft.append([token]);
    yield* weighBelow(child, logProbability + logits[index]! - logWeight, draft, found);
    draft.rewind(start);
  }
}

/** What each option has of all, by the softmax. */
function shares(logits: readonly number[]): number[] {
  const best = Math.max(...logits);
  const weights = logits.map((logit) => Math.exp(logit - best));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}

type Drawing = Pick<Sampling, 'temperature' | 'topK' | 'topP' | 'minP'>;

/** The index of the option to take: the most probable (of equals the first), or above temperature 0 one drawn from those that are left. */
export function pick(logits: readonly number[], sampling: Drawing, draw: () => number): number {
  const ranked = logits
    .map((logit, index) => ({ logit, index }))
    .sort((a, b) => b.logit - a.logit || a.index - b.index);
  const best = ranked[0]!;
  if (sampling.temperature <= 0) return best.index;
  const kept = leftBy(
    sampling,
    ranked.map(({ logit }) => Math.exp(logit - best.logit)),
  );
  const weights = ranked.slice(0, kept).map(({ logit }) => Math.exp((logit - best.logit) / sampling.temperature));
  return ranked[indexAtShare(weights, draw())]!.index;
}

/** How many of the ranked weights top-k, top-p and min-p leave, one after the other and at temperature 1, as llama.cpp has it. */
function leftBy({ topK, topP, minP }: Drawing, weights: readonly number[]): number {
  const mostProbable = topK > 0 ? weights.slice(0, topK) : weights;
  const nucleus = indexAtShare(mostProbable, topP) + 1;
  const likely = mostProbable.slice(0, nucleus).findIndex((weight) => weight < minP);
  return likely === -1 ? nucleus : likely;
}

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
