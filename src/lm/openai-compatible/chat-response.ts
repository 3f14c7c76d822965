import { z } from 'zod';
import type { Failure } from '../../core/failure.ts';
import type { Json } from '../../core/json.ts';
import type { AnswerPlan, LmResponse, TokenUsage } from '../../core/lm.ts';
import { EndpointError } from './endpoint-error.ts';
import { cutPieces } from './pieces.ts';

const count = z.number().nullish();
const completion = z.object({
  choices: z
    .array(
      z.object({
        finish_reason: z.string().nullish(),
        message: z.object({ content: z.string().nullish(), refusal: z.string().nullish() }),
      }),
    )
    .min(1),
  usage: z
    .object({
      prompt_tokens: count,
      completion_tokens: count,
      prompt_tokens_details: z.object({ cached_tokens: count }).nullish(),
    })
    .nullish(),
});

/** The part of a chat completion that matters here. */
export type Completion = z.output<typeof completion>;

/** Null for what is no chat completion. */
export const readCompletion = (body: Json): Completion | null => completion.safeParse(body).data ?? null;

/** A chat completion as an answer in the pieces of its plan, or as the failure that it is. */
export function responseOf({ choices, usage }: Completion, plan: AnswerPlan): LmResponse {
  const { finish_reason: reason, message } = choices[0]!;
  const used = usageOf(usage);
  const failed = (failure: Failure): LmResponse => ({ failure, usage: used });
  const text = message.content ?? '';
  if (message.refusal) return failed({ kind: 'refused', message: `The model refused: ${quoted(message.refusal)}` });
  if (reason === 'content_filter')
    return failed({ kind: 'refused', message: `The endpoint's content filter stopped the answer: ${quoted(text)}` });
  if (reason === 'length')
    return failed({
      kind: 'length',
      message: `The answer was cut off after ${used.completion} tokens, by maxTokens or by the model's context. It ends: ${JSON.stringify(text.slice(-80))}`,
    });
  const pieces = cutPieces(plan, text);
  if (!pieces) return failed({ kind: 'parse', message: `The answer does not follow its plan: ${quoted(text)}` });
  // Its tokens are the server's own affair: an answer from here can be shown to a student, never trained on as ids.
  const constraint = { forks: 0, overruled: 0 };
  return { failure: null, pieces, choices: pieces.map(() => null), constraint, completionIds: [], usage: used };
}

const quoted = (text: string): string => JSON.stringify(text.slice(0, 120));

const usageOf = (usage: Completion['usage']): TokenUsage => ({
  prompt: usage?.prompt_tokens ?? 0,
  cachedPrompt: usage?.prompt_tokens_details?.cached_tokens ?? 0,
  completion: usage?.completion_tokens ?? 0,
});

/** The failure of this one request that a server says with a status: a prompt that is too long or not allowed. Null for every other error. */
export function failureIn(error: unknown): LmResponse | null {
  if (!(error instanceof EndpointError) || ![400, 413, 422].includes(error.status ?? 0)) return null;
  const usage = { prompt: 0, cachedPrompt: 0, completion: 0 };
  if (/exceed_context_size|context_length_exceeded|maximum context length|context (size|window)/i.test(error.evidence))
    return { failure: { kind: 'length', message: `The prompt does not fit. ${error.message}` }, usage };
  if (/content_filter|content_policy/i.test(error.evidence))
    return { failure: { kind: 'refused', message: `The prompt was refused. ${error.message}` }, usage };
  return null;
}
