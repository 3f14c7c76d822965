import type { Candidate } from '../core/candidate.ts';
import {
  type EmbedCall,
  type Embeddings,
  embeddingId,
  embedOnce,
  embedWith,
  neededEmbeddings,
} from '../core/embedding.ts';
import { Interrupted } from '../core/errors.ts';
import { contentId, type Json, textId } from '../core/json.ts';
import type { Engine, LanguageModel } from '../core/lm.ts';
import type { SignatureFields } from '../core/signature.ts';
import type { Store } from '../core/store.ts';

interface EmbeddingMemory {
  readonly store: Store;
  readonly models: ReadonlyMap<string, LanguageModel>;
  engineOf(base: string): Promise<Engine>;
  readonly signal: AbortSignal;
  onEmbed(done: number, total: number): void;
}

// What is lost when a run is killed meanwhile; and after so many a person sees that it goes on.
const textsAtOnce = 16;

/** The one place where a run asks for embeddings: each is made once, and durable before anyone sees it. */
export function rememberingEmbeddings({ store, models, engineOf, signal, onEmbed }: EmbeddingMemory): EmbedCall {
  // Known once a base's engine is, so that looking up needs no waiting.
  const keys = new Map<string, (text: string) => string>();
  const embed = embedOnce({
    recall: (base, text) => store.recallEmbedding(keys.get(base)!(text)),
    async ask(base, texts) {
      const model = models.get(base);
      if (!model) throw new TypeError(`No model ${base} was given to this run`);
      const made: Float32Array[] = [];
      for (let start = 0; start < texts.length; start += textsAtOnce) {
        if (signal.aborted) throw new Interrupted();
        if (texts.length > 1) onEmbed(start, texts.length);
        const part = texts.slice(start, start + textsAtOnce);
        const vectors = await embedWith(model, part);
        store.rememberEmbeddings(new Map(part.map((text, index) => [keys.get(base)!(text), vectors[index]!])));
        made.push(...vectors);
      }
      return made;
    },
  });
  return async (base, texts, of) => {
    if (!keys.has(base)) keys.set(base, keyMaker(base, await engineOf(base)));
    return embed(base, texts, of);
  };
}

/** Raised whenever the same engine may come to give another vector. */
const method = 1;

function keyMaker(base: string, { reproducible: _, ...engine }: Engine): (text: string) => string {
  // `as`: an engine is plain data.
  const shared = contentId({ embedding: method, base, engine: engine as unknown as Json });
  return (text) => textId(`${shared} ${text}`);
}

/** What a run knows of the demos among which these candidates choose. */
export function storedEmbeddings(
  store: Store,
  run: string,
  predictors: { readonly [name: string]: SignatureFields },
  candidates: readonly Candidate[],
): Embeddings {
  const found = new Map<string, Float32Array>();
  const keys = new Map<string, (text: string) => string>();
  for (const { base, text } of candidates.flatMap((candidate) => neededEmbeddings(predictors, candidate))) {
    // `as` twice: engines are plain data, and only engines are stored here.
    const engine = store.layout(run, base) as unknown as Engine | undefined;
    const keyOf = keys.get(base) ?? (engine && keyMaker(base, engine));
    if (keyOf) keys.set(base, keyOf);
    const vector = keyOf && store.recallEmbedding(keyOf(text));
    if (vector) found.set(embeddingId(base, text), vector);
  }
  return found;
}
