import { messagesOf } from '../../core/chat-messages.ts';
import type { Json } from '../../core/json.ts';
import type { LmRequest, Sampling } from '../../core/lm.ts';
import { type Constraint, constraintFields } from './constraint.ts';

export interface ChatRequestOptions {
  /** The server's word for the model. */
  readonly model: string;
  readonly constraint: Constraint;
  /** The user's own fields, which replace ours. */
  readonly body: { readonly [field: string]: Json };
}

/** The body of a chat completion that asks for this answer. */
export const chatRequest = (
  { prompt, answer, sampling }: Pick<LmRequest, 'prompt' | 'answer' | 'sampling'>,
  { model, constraint, body }: ChatRequestOptions,
): { readonly [field: string]: Json } => ({
  model,
  messages: messagesOf(prompt),
  ...samplingFields(sampling),
  ...constraintFields(constraint, answer),
  ...body,
});

/** What not every server knows is only sent where it was asked for: a server that does not know it says so. */
function samplingFields(sampling: Sampling): { readonly [field: string]: Json } {
  const { temperature, topK, topP, minP, repetitionPenalty, maxTokens, seed } = sampling;
  return {
    temperature,
    top_p: topP,
    max_tokens: maxTokens,
    ...(temperature > 0 && { seed }),
    ...(topK > 0 && { top_k: topK }),
    ...(minP > 0 && { min_p: minP }),
    // llama.cpp and vLLM have different words for it.
    ...(repetitionPenalty !== 1 && { repeat_penalty: repetitionPenalty, repetition_penalty: repetitionPenalty }),
  };
}
