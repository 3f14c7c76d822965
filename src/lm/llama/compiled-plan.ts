import type { AnswerPart, AnswerPlan, RequestChoice, ValueEnd } from '../../core/lm.ts';
import { labelTrie, type TrieNode } from './label-trie.ts';
import type { Beginning } from './token-texts.ts';

/** What decoding must know about a model's tokens. */
export interface Vocabulary {
  /** Plain text; nothing in it becomes a control token. */
  tokenize(text: string): readonly number[];
  /** The text of `ids` where they stand behind `before`. */
  textOf(ids: readonly number[], before: readonly number[]): string;
  /** Every token that is a beginning of the text, in whatever tokens the text would be cut. */
  beginnings(text: string): readonly Beginning[];
  endsTurn(id: number): boolean;
  readonly endOfTurn: number;
}

/** How an option is taken: see RequestChoice. */
export type PartRule = 'greedy' | 'most-probable' | { readonly logPriors: readonly number[] };

export interface CompiledChoice {
  readonly type: 'choice';
  readonly options: readonly string[];
  /** The tokens of each option. */
  readonly paths: readonly (readonly number[])[];
  /** The one token that must come behind an option, as far as that is known. */
  readonly follower: readonly number[];
  /** Whether every option can be cut into tokens in all ways that there are; where one of its characters takes several tokens only in one. */
  readonly isSpelled: boolean;
  readonly trie: TrieNode;
  readonly rule: PartRule;
}

export interface CompiledValue {
  readonly type: 'value';
  readonly grammar: string | null;
  readonly end: ValueEnd;
}

type CompiledPart =
  | { readonly type: 'text'; readonly text: string; readonly ids: readonly number[] }
  | CompiledChoice
  | CompiledValue;

export type CompiledPlan = readonly CompiledPart[];

/** Turns an answer plan into tokens, piece by piece, with the borders that training rows have too. */
export function compilePlan(plan: AnswerPlan, choice: RequestChoice, vocabulary: Vocabulary): CompiledPlan {
  if (plan === null) return [{ type: 'value', grammar: null, end: { kind: 'turn' } }];
  return plan.map((part, index) => {
    if (part.type === 'choice')
      return compileChoice(part.options, ruleOf(choice, index), plan.slice(index + 1), vocabulary);
    if (part.type === 'text') return { ...part, ids: vocabulary.tokenize(part.text) };
    if (part.end.kind === 'turn' && index < plan.length - 1)
      throw new TypeError(`A value that ends the turn is followed by ${JSON.stringify(plan[index + 1])}`);
    return part;
  });
}

function ruleOf(choice: RequestChoice, index: number): PartRule {
  if (typeof choice === 'string') return choice;
  const logPriors = choice.logPriors[index];
  if (!logPriors) throw new TypeError(`There are no priors for part ${index} of the answer, which is a choice`);
  return { logPriors };
}

function compileChoice(
  options: readonly string[],
  rule: PartRule,
  rest: readonly AnswerPart[],
  vocabulary: Vocabulary,
): CompiledChoice {
  if (typeof rule === 'object' && rule.logPriors.length !== options.length)
    throw new TypeError(`There are ${rule.logPriors.length} priors for ${options.length} options`);
  const paths = options.map((option) => vocabulary.tokenize(option));
  const follower = firstToken(rest, vocabulary);
  const trie = labelTrie(paths.map((path) => [...path, ...follower]));
  const isSpelled = options.every((option, index) => canBeSpelled(option, paths[index]!, vocabulary));
  return { type: 'choice', options, paths, follower, isSpelled, rule, trie };
}

/** Whether each token of its own path is whole characters. */
function canBeSpelled(option: string, path: readonly number[], { beginnings }: Vocabulary): boolean {
  let rest = option;
  for (const token of path) {
    const own = beginnings(rest).find((beginning) => beginning.token === token);
    if (!own) return false;
    rest = rest.slice(own.length);
  }
  return rest === '';
}

/** The one token that must come next, as far as that is known: none when a sampled value or another choice follows. */
function firstToken(rest: readonly AnswerPart[], vocabulary: Vocabulary): readonly number[] {
  const [next, ...later] = rest;
  if (!next) return [vocabulary.endOfTurn];
  if (next.type !== 'text') return [];
  const [first] = vocabulary.tokenize(next.text);
  return first === undefined ? firstToken(later, vocabulary) : [first];
}
