import { initialCandidate } from '../../core/candidate.ts';
import { renderPrompt } from '../../core/chat-format.ts';
import type { Fields } from '../../core/json.ts';
import type { OptimizerContext } from '../../core/optimizer.ts';
import type { Signature } from '../../core/signature.ts';

interface Inquiry {
  readonly question: Signature;
  readonly inputs: { readonly [name: string]: string };
  /** The input that may lose its last lines where the prompt model's context is too small for all. */
  readonly shortenable: string;
  readonly temperature: number;
  readonly seed: number;
}

/** Tokens of an answer: a few sentences. */
const answerTokens = 320;

/** Asks the prompt model for something it may fail at: null when it does, or when there is no room or no call left for the question. */
export async function inquire(context: OptimizerContext, inquiry: Inquiry): Promise<Fields | null> {
  const { question, temperature, seed } = inquiry;
  if (context.callsLeft() < 1) return null;
  const inputs = await thatFit(context, inquiry);
  if (inputs === null) return null;
  const { outputs } = await context.ask(question, inputs, {
    attempt: { temperature, seed, maxTokens: answerTokens },
  });
  return outputs;
}

async function thatFit(
  { promptModel, contextTokens, countTokens }: OptimizerContext,
  { question, inputs, shortenable }: Inquiry,
): Promise<Fields | null> {
  const room = (await contextTokens(promptModel.base)) - answerTokens;
  const state = initialCandidate({ ask: question }, { chatFormat: 'json', decoding: 'constrained', model: promptModel })
    .predictors.ask!;
  let lines = inputs[shortenable]!.split('\n');
  while (lines.length > 0) {
    const shown = { ...inputs, [shortenable]: lines.join('\n') };
    const [tokens] = await countTokens(promptModel.base, [
      { prompt: renderPrompt(question, state, shown), pieces: null },
    ]);
    if (tokens! <= room) return shown;
    lines = lines.slice(0, Math.floor(lines.length * 0.75));
  }
  return null;
}
