import { initialCandidate } from '../core/candidate.ts';
import { renderPrompt } from '../core/chat-format.ts';
import type { OptimizerContext } from '../core/optimizer.ts';
import type { Signature } from '../core/signature.ts';

export interface QuestionSize {
  readonly inputs: { readonly [name: string]: string };
  /** The inputs that may lose their last lines; of several the longest is shortened first, if need be to nothing. */
  readonly shortenable: readonly string[];
  /** What the answer may need. */
  readonly answerTokens: number;
}

/** The question's inputs, shortened until prompt and answer fit the context of the prompt model, by its own tokens; null where they cannot. */
export async function fitQuestion(
  { promptModel, contextTokens, countTokens }: OptimizerContext,
  question: Signature,
  { inputs, shortenable, answerTokens }: QuestionSize,
): Promise<{ readonly [name: string]: string } | null> {
  const room = (await contextTokens(promptModel.base)) - answerTokens;
  const { ask } = initialCandidate(
    { ask: question },
    { chatFormat: 'json', decoding: 'constrained', model: promptModel },
  ).predictors;
  let shown: { readonly [name: string]: string } = Object.fromEntries(
    question.inputFields.map(({ name }) => [name, inputs[name] ?? '']),
  );
  for (;;) {
    const [tokens] = await countTokens(promptModel.base, [
      { prompt: renderPrompt(question, ask!, shown), pieces: null },
    ]);
    if (tokens! <= room) return shown;
    const [longest] = shortenable
      .filter((name) => (shown[name] ?? '') !== '')
      .toSorted((a, b) => shown[b]!.length - shown[a]!.length);
    if (longest === undefined) return null;
    const lines = shown[longest]!.split('\n');
    shown = { ...shown, [longest]: lines.slice(0, Math.floor(lines.length * 0.75)).join('\n') };
  }
}
