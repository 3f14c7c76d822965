import type { LlamaEmbeddingContext, LlamaModel } from 'node-llama-cpp';
import { WorldError } from '../../core/errors.ts';
import type { LogLines } from './log-lines.ts';
import type { Pace } from './pace.ts';
import type { Layout } from './protocol.ts';
import { asTokens } from './renderer.ts';

/** Makes one vector at a time, in a context of its own: nothing is left in it from one text to the next. */
export interface Embedder {
  /** To be awaited before the first vector. */
  open(): Promise<void>;
  /** Of length 1; empty when the text does not fit the context. */
  vectorOf(text: string): Promise<Float32Array>;
}

interface EmbedderParts {
  readonly model: LlamaModel;
  readonly layout: Layout;
  readonly pace: Pace;
  tokenize(text: string): readonly number[];
}

// A model that only ever predicts has to be asked for the sense of a text (PromptEOL; Jiang et al. 2023): what it would say next is the vector
// then. docs/decisions/9-nearest-demos.md has what that is worth.
const before = 'This sentence: "';
const after = '" means in one word: "';

/** The context is opened at the first use: most hosts never need it. */
export function createEmbedder({ model, layout, pace, tokenize }: EmbedderParts, log: LogLines): Embedder {
  let opening: Promise<LlamaEmbeddingContext> | null = null;
  let context: LlamaEmbeddingContext | null = null;
  return {
    async open() {
      opening ??= openContext({ model, layout }, log);
      try {
        context = await opening;
      } catch (error) {
        opening = null;
        throw error;
      }
    },
    async vectorOf(text) {
      if (!context) throw new TypeError('The context for embeddings was not opened');
      const tokens = asTokens([before, text, after].flatMap(tokenize));
      if (context.calculateInputLength(tokens) >= layout.contextTokens) return new Float32Array(0);
      // Of a causal model that is the state behind the last token, which has seen all others.
      pace.begin(tokens.length);
      const { vector } = await context.getEmbeddingFor(tokens);
      pace.end();
      return ofLengthOne(vector);
    },
  };
}

function ofLengthOne(vector: readonly number[]): Float32Array {
  const length = Math.hypot(...vector);
  if (!(length > 0 && Number.isFinite(length))) throw new Error(`The model gave a vector of length ${length}`);
  return Float32Array.from(vector, (value) => value / length);
}

async function openContext(
  { model, layout }: Pick<EmbedderParts, 'model' | 'layout'>,
  log: LogLines,
): Promise<LlamaEmbeddingContext> {
  const { contextTokens, batchTokens, threads } = layout;
  try {
    return await model.createEmbeddingContext({ contextSize: contextTokens, batchSize: batchTokens, threads });
  } catch (cause) {
    const reason = `${cause instanceof Error ? cause.message : String(cause)}${await log.quoted()}`;
    throw new WorldError(
      'context-not-opened',
      `A context of ${contextTokens} tokens for embeddings could not be opened: ${reason}`,
      'Open the model with fewer sequences or fewer contextTokens.',
      { cause },
    );
  }
}
