import type { Json } from '../../src/core/json.ts';
import { seededRng } from '../../src/core/rng.ts';
import { type ChatBody, type ChatServer, chatServer, completion, modelList, type Reply } from './chat-server.ts';
import { grammarOf } from './gbnf.ts';

/** Tokens that these servers have room for, and how many bytes they take for one. */
const contextTokens = 512;
const bytesPerToken = 4;

/** Behaves like llama-server: what it is, a GBNF grammar that is followed, 400 for a prompt that is too long, an end at max_tokens. */
export const llamaServerLike = (): Promise<ChatServer> =>
  chatServer({
    '/v1/models': () =>
      modelList('small.gguf', 'llamacpp', {
        meta: { n_vocab: 49152, n_ctx_train: 8192, n_params: 134515008, size: 144811776 },
      }),
    '/props': {
      body: {
        default_generation_settings: { n_ctx: contextTokens },
        total_slots: 4,
        model_path: '/models/small.gguf',
        model_ftype: 'Q8_0',
        chat_template: '{{ messages }}',
        build_info: 'b9000-abcdef0',
      },
    },
    '/v1/chat/completions': ({ body }) => obedient(body, body.grammar),
  });

/** Behaves like vLLM: a version of its own, and a grammar that is followed where this version looks for it. */
export const vllmLike = (version: string): Promise<ChatServer> =>
  chatServer({
    '/v1/models': () => modelList('org/model', 'vllm', { root: 'org/model', max_model_len: contextTokens }),
    '/version': { body: { version } },
    '/v1/chat/completions': ({ body }) => {
      // `as`: vLLM's own shape of the field.
      const grammar = version.startsWith('0.10')
        ? body.guided_grammar
        : (body.structured_outputs as { grammar?: string } | undefined)?.grammar;
      return obedient(body, grammar);
    },
  });

/** Behaves like SGLang: what it runs stands at an address of its own, and a grammar is followed that comes as EBNF. */
export const sglangLike = (): Promise<ChatServer> =>
  chatServer({
    '/v1/models': () => modelList('org/model', 'sglang', { root: 'org/model', max_model_len: contextTokens }),
    '/get_server_info': { body: { version: '0.5.4', model_path: 'org/model', revision: 'main' } },
    '/v1/chat/completions': ({ body }) => obedient(body, body.ebnf),
  });

/** Some text of the grammar, or a greeting; deterministic, and cut off where it is told to end. */
function obedient({ messages, max_tokens: most }: ChatBody, grammar: Json | undefined): Reply {
  const prompt = messages.map(({ content }) => content).join('\n');
  const promptTokens = Math.ceil(prompt.length / bytesPerToken);
  if (promptTokens > contextTokens) return tooLong(promptTokens);
  const text = typeof grammar === 'string' ? textOf(grammar) : 'Hello there!';
  const tokens = Math.max(1, Math.ceil(text.length / bytesPerToken));
  const isCut = tokens > most;
  const reply = completion(isCut ? text.slice(0, most * bytesPerToken) : text, {
    finish_reason: isCut ? 'length' : 'stop',
  });
  const usage = { prompt_tokens: promptTokens, completion_tokens: Math.min(tokens, most) };
  // `as`: the body of a completion is an object.
  return { ...reply, body: { ...(reply.body as object), usage } };
}

const textOf = (grammar: string): string => grammarOf(grammar).sample(seededRng(1));

const tooLong = (tokens: number): Reply => ({
  status: 400,
  body: {
    error: {
      code: 400,
      message: `the request (${tokens} tokens) exceeds the available context size (${contextTokens} tokens)`,
      type: 'exceed_context_size_error',
    },
  },
});
