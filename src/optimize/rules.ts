import { z } from 'zod';
import { initialCandidate } from '../core/candidate.ts';
import { renderPrompt } from '../core/chat-format.ts';
import type { Fields } from '../core/json.ts';
import type { OptimizerContext } from '../core/optimizer.ts';
import { type Signature, signature } from '../core/signature.ts';
import { type LeakGuardMode, leakGuardOf } from './leak-guard.ts';
import { taskText } from './task-text.ts';

/** Characters of a rule at most: ten of them are about 400 tokens. */
const longestRule = 160;
/** Twice what the longest rule needs, so that JSON escapes and a wordy tokenizer fit. */
const tokensOfRule = 80;

/** Questions, and what came of them: `noRoom` of those where not even one example fits the context, then of answers, then of single rules. */
type RuleCounts = { readonly [outcome in 'asked' | 'noRoom' | 'unreadable' | Fate]: number };
type Fate = 'usable' | 'empty' | 'cut' | 'repeated' | 'quoting';

/** What rules of a predictor are induced from. */
export interface RuleSource {
  readonly signature: Signature;
  readonly instructions: string;
  /** In the order in which they may be shown. */
  readonly examples: readonly string[];
  readonly seed: number;
}

export interface RuleInduction {
  /** Different rules, none of them cut or blank; an empty list when the prompt model gave none that can be used. */
  induce(source: RuleSource): Promise<readonly string[]>;
  counts(): RuleCounts;
  /** The first questions all came to nothing: this model cannot do it. */
  isUnable(): boolean;
}

interface RuleOptions {
  /** Rules of one answer at most. */
  readonly numRules: number;
  /** What happens to a rule that quotes a train or val row: it is left out, used with a notice, or used. */
  readonly leakGuard: LeakGuardMode;
}

/** Questions without any usable rule after which the prompt model is taken to be unable. */
const patience = 3;

/** Asks the run's prompt model for rules that labelled examples follow, with as many examples as fit its context. */
export function createRuleInduction(context: OptimizerContext, options: RuleOptions): RuleInduction {
  const question = questionFor(options.numRules);
  const answerTokens = options.numRules * tokensOfRule;
  const sizes = exampleSizes(context, question);
  const quotation = leakGuardOf(context, options.leakGuard);
  const counts = { asked: 0, noRoom: 0, unreadable: 0, usable: 0, empty: 0, cut: 0, repeated: 0, quoting: 0 };
  let questions = 0;
  const isUnable = () => questions >= patience && counts.usable === 0;

  async function answerTo({ seed, ...source }: RuleSource): Promise<readonly string[]> {
    const room = (await context.contextTokens(context.promptModel.base)) - answerTokens;
    const inputs = await sizes.fitting(source, room);
    if (inputs === null) {
      counts.noRoom++;
      return [];
    }
    counts.asked++;
    const { outputs } = await context.ask(question, inputs, {
      attempt: { temperature: 1, seed, maxTokens: answerTokens },
    });
    if (outputs === null) counts.unreadable++;
    // `as`: what the question's own signature says.
    return (outputs?.rules ?? []) as readonly string[];
  }

  function fateOf(written: string, rule: string, isKnown: boolean): Fate {
    if (rule.length < 3) return 'empty';
    // The grammar ends a text at the limit wherever it stands.
    if (written.length >= longestRule) return 'cut';
    if (isKnown) return 'repeated';
    const quoted = quotation(rule);
    if (quoted === null) return 'usable';
    if (options.leakGuard === 'reject') return 'quoting';
    context.notice({
      code: 'instructions-quote-a-row',
      message: `An induced rule has "${quoted}" word for word from a train or val row.`,
    });
    return 'usable';
  }

  return {
    async induce(source) {
      if (isUnable()) return [];
      questions++;
      const rules = new Map<string, string>();
      for (const written of await answerTo(source)) {
        const rule = tidied(written);
        const fate = fateOf(written, rule, rules.has(rule.toLowerCase()));
        counts[fate]++;
        if (fate === 'usable') rules.set(rule.toLowerCase(), rule);
      }
      if (isUnable())
        context.notice({
          code: 'prompt-model-unable',
          message: `The prompt model gave no usable rule to ${questions} questions (${inWords(counts)}): the search goes on without rules. A larger one can be named: --prompt-model.`,
        });
      return [...rules.values()];
    },
    counts: () => ({ ...counts }),
    isUnable,
  };
}

const questionFor = (numRules: number): Signature =>
  signature({
    instructions: `Find what the examples of this task have in common. Write at most ${numRules} short rules that help to give the right answer for new inputs. Each rule says something else, and none repeats an example.`,
    inputs: { task: z.string(), currentInstructions: z.string(), examples: z.string() },
    outputs: { rules: z.array(z.string().min(1).max(longestRule)).min(1).max(numRules) },
  });

const tidied = (rule: string): string =>
  rule
    .replaceAll(/\s+/g, ' ')
    .trim()
    .replace(/^(?:[-*•]|(?:rule )?\d{1,2}[.:)])\s*/i, '');

/** Counts the tokens of each example once, so that what fits is known before anything is asked. */
function exampleSizes(context: OptimizerContext, question: Signature) {
  const { promptModel: model } = context;
  const { ask: state } = initialCandidate(
    { ask: question },
    { chatFormat: 'json', decoding: 'constrained', model },
  ).predictors;
  const known = new Map<string, number>();

  const inputsOf = (
    { signature: of, instructions }: Omit<RuleSource, 'seed'>,
    examples: readonly string[],
  ): Fields => ({
    task: taskText(of),
    currentInstructions: instructions,
    examples: examples.join('\n\n'),
  });
  async function tokensOf(all: readonly Fields[]): Promise<number[]> {
    // `!`: the question's own predictor.
    const rows = all.map((inputs) => ({ prompt: renderPrompt(question, state!, inputs), pieces: null }));
    return context.countTokens(model.base, rows);
  }

  return {
    /** What to ask with, as many of the examples in their order as fit; null where none does. */
    async fitting(source: Omit<RuleSource, 'seed'>, room: number): Promise<Fields | null> {
      const unknown = source.examples.filter((example) => !known.has(example));
      // Two empty ones stand for the blank line before each example.
      const [empty, ...sizes] = await tokensOf(
        [[], ...unknown.map((example) => ['', example])].map((examples) => inputsOf(source, examples)),
      );
      for (const [index, example] of unknown.entries()) known.set(example, sizes[index]! - empty!);
      let left = room - empty!;
      const shown = source.examples.filter((example) => {
        const size = known.get(example)!;
        if (size > left) return false;
        left -= size;
        return true;
      });
      return shown.length === 0 ? null : inputsOf(source, shown);
    },
  };
}

const inWords = (counts: RuleCounts): string =>
  Object.entries(counts)
    .filter(([, count]) => count > 0)
    .map(([outcome, count]) => `${count} ${outcome === 'noRoom' ? 'without room for an example' : outcome}`)
    .join(', ');
