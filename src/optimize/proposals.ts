import { z } from 'zod';
import type { OptimizerContext } from '../core/optimizer.ts';
import { type Signature, signature } from '../core/signature.ts';
import { fitQuestion } from './fit-question.ts';
import { type LeakGuard, type LeakGuardMode, leakGuardOf } from './leak-guard.ts';

/** Characters of a new instruction at most: about 250 tokens, an eighth of the usual context. */
const longestProposal = 1000;

/** A way of asking for a new instruction. Its one output is `newInstructions`; what it does not take of the inputs is left out. */
export interface ProposalStyle {
  readonly name: string;
  readonly question: Signature;
}

/** Makes a style: words that ask, and the inputs that it shows. */
export function proposalStyle(name: string, instructions: string, inputs: readonly string[]): ProposalStyle {
  const text = z.string().min(1).max(longestProposal);
  return {
    name,
    question: signature({
      instructions,
      inputs: Object.fromEntries(inputs.map((input) => [input, z.string()])),
      outputs: { newInstructions: text },
    }),
  };
}

export interface ProposalRequest {
  /** Tried in order until one gives something usable. */
  readonly styles: readonly ProposalStyle[];
  readonly inputs: { readonly [name: string]: string };
  /** The inputs that may be shortened from their end, line by line, where the prompt model's context is too small for all. */
  readonly shortenable?: readonly string[];
  /** The instruction that is to be replaced. */
  readonly parent: string;
  /** Whether this text was tried before: then it is as good as unchanged, and the next style is tried. */
  isKnown?(instructions: string): boolean;
  readonly temperature: number;
  readonly seed: number;
}

/** How often the prompt model was asked, and what came of it. */
export type ProposalCounts = { readonly [outcome in Outcome | 'asked']: number };
type Outcome = 'usable' | 'unreadable' | 'empty' | 'unchanged' | 'too-long' | 'quotes-a-row';

export interface Proposer {
  /** A new instruction, or null when none of the styles gave one that can be used. */
  propose(request: ProposalRequest): Promise<string | null>;
  counts(): ProposalCounts;
  /** The first requests all came to nothing: this model cannot do it. */
  isUnable(): boolean;
}

export interface ProposerOptions {
  /** What happens to an instruction that quotes a train or val row: it is not used, used with a notice, or used. */
  readonly leakGuard: LeakGuardMode;
  /** Requests without any usable proposal after which the prompt model is taken to be unable. */
  readonly patience?: number;
  /** What the search does when the prompt model is unable, for the notice. Default: it goes on with demos only. */
  readonly ifUnable?: string;
}

/** Asks the run's prompt model for instructions and takes only what can be used; says so once when that model proves unable. */
export function createProposer(context: OptimizerContext, options: ProposerOptions): Proposer {
  const { patience = 3, ifUnable = 'the search goes on with demos only' } = options;
  const counts: { [outcome in Outcome | 'asked']: number } = {
    asked: 0,
    usable: 0,
    unreadable: 0,
    empty: 0,
    unchanged: 0,
    'too-long': 0,
    'quotes-a-row': 0,
  };
  const guard = leakGuardOf(context, options.leakGuard);
  let requests = 0;
  const isUnable = () => requests >= patience && counts.usable === 0;

  async function ask(style: ProposalStyle, request: ProposalRequest, retry: number): Promise<string | null> {
    const { inputs: given, shortenable = [] } = request;
    const inputs = await fitQuestion(context, style.question, { inputs: given, shortenable, answerTokens });
    if (inputs === null) {
      counts['too-long']++;
      return null;
    }
    counts.asked++;
    // From the second try on freer: the same question at the same temperature would fail in the same way.
    const temperature = Math.min(2, request.temperature + 0.2 * retry);
    const attempt = { temperature, seed: request.seed * 16 + retry, maxTokens: answerTokens };
    const { outputs, failure } = await context.ask(style.question, inputs, { attempt });
    const text = outputs === null ? null : tidied(String(outputs.newInstructions));
    const outcome =
      failure?.kind === 'length' ? 'too-long' : text === null ? 'unreadable' : judged(text, request, guard);
    if (outcome === 'quotes-a-row' && options.leakGuard === 'flag') {
      context.notice({
        code: 'instructions-quote-a-row',
        message: `A proposed instruction has "${guard(text!)}" word for word from a train or val row.`,
      });
      counts.usable++;
      return text;
    }
    counts[outcome]++;
    return outcome === 'usable' ? text : null;
  }

  return {
    async propose(request) {
      if (isUnable()) return null;
      requests++;
      for (const [retry, style] of request.styles.entries()) {
        const text = await ask(style, request, retry);
        if (text !== null) return text;
      }
      if (isUnable())
        context.notice({
          code: 'prompt-model-unable',
          message: `The prompt model gave no usable instruction in ${counts.asked} answers (${inWords(counts)}): ${ifUnable}. A larger one can be named: --prompt-model.`,
        });
      return null;
    },
    counts: () => ({ ...counts }),
    isUnable,
  };
}

// Twice what the longest proposal needs, so that JSON escapes and a wordy tokenizer fit.
const answerTokens = 512;

function judged(text: string, { parent, isKnown }: ProposalRequest, guard: LeakGuard): Outcome {
  if (text.length < 3) return 'empty';
  // The grammar ends a text at the limit wherever it stands: such a text was cut.
  if (text.length >= longestProposal) return 'too-long';
  if (sameWords(text, parent) || isKnown?.(text)) return 'unchanged';
  return guard(text) === null ? 'usable' : 'quotes-a-row';
}

const sameWords = (a: string, b: string): boolean => wordsOnly(a) === wordsOnly(b);
const wordsOnly = (text: string): string =>
  text
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}]+/gu, ' ')
    .trim();

/** Without quotes around it, and without a label such as "Instruction:" in front. */
function tidied(text: string): string {
  const bare = text.trim().replace(/^(?:[\p{L}]+ ){0,3}instructions?:\s*/iu, '');
  const quoted = /^(["'`]{1,3})([\s\S]*)\1$/.exec(bare);
  return (quoted?.[2] ?? bare).trim();
}

const inWords = (counts: ProposalCounts): string =>
  Object.entries(counts)
    .filter(([outcome, count]) => outcome !== 'asked' && count > 0)
    .map(([outcome, count]) => `${count} ${outcome.replaceAll('-', ' ')}`)
    .join(', ') || 'none could be asked';
