import type { Fields } from '../../core/json.ts';
import type { OptimizerContext } from '../../core/optimizer.ts';
import type { Signature } from '../../core/signature.ts';
import { fitQuestion } from '../fit-question.ts';

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
  const shortenable = [inquiry.shortenable];
  const inputs = await fitQuestion(context, question, { inputs: inquiry.inputs, shortenable, answerTokens });
  if (inputs === null || inputs[inquiry.shortenable] === '') return null;
  const { outputs } = await context.ask(question, inputs, {
    attempt: { temperature, seed, maxTokens: answerTokens },
  });
  return outputs;
}
