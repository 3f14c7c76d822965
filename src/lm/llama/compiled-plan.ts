import type { AnswerPart, AnswerPlan, RequestChoice, ValueEnd } from '../../core/lm.ts';
import { labelTrie, type TrieNode } from './label-trie.ts';

/** What decoding must know about a model's tokens. */
export interface Vocabulary {
  /** Plain text; nothing in it becomes a control token. */
  tokenize(text: string): readonly number[];
  /** The text of `ids` where they stand behind `before`. */
  textOf(ids: readonly number[], before: readonly number[]): string;
  endsTurn(id: number): boolean;
  readonly endOfTurn: number;
}

/** How an option is taken: see RequestChoice. */
export type PartRule = 'greedy' | 'most-probable' | { readonly logPriors: readonly number[] };

export interface CompiledChoice {
  readonly type: 'choice';
  readonly options: readonly string[];
  readonly paths: readonly (readonly number[])[];
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
  return { type: 'choice', options, paths, rule, trie: labelTrie(paths.map((path) => [...path, ...follower])) };
}

/** The one token that must come next, as far as that is known: none when a sampled value or another choice follows. */
function firstToken(rest: readonly AnswerPart[], vocabulary: Vocabulary): readonly number[] {
  const [next, ...later] = rest;
  if (!next) return [vocabulary.endOfTurn];
  if (next.type !== 'text') return [];
  const [first] = vocabulary.tokenize(next.text);
  return first === undefined ? firstToken(later, vocabulary) : [first];
}
