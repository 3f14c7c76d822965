import { type Demo, type PredictorState, predictorState } from './candidate.ts';
import { userText } from './chat-format.ts';
import { InputError } from './errors.ts';
import { type Fields, textId } from './json.ts';
import type { LanguageModel } from './lm.ts';
import type { SignatureFields } from './signature.ts';

/** The embeddings of texts by a base model, in their order; see `Weights.embed`. Demos are asked for again and again, a question once. */
export type EmbedCall = (
  base: string,
  texts: readonly string[],
  of: 'demos' | 'question',
) => Promise<readonly Float32Array[]>;

/** Embeddings by the ids of their texts. */
export type Embeddings = ReadonlyMap<string, Float32Array>;

export const embeddingId = (base: string, text: string): string => textId(`${base} ${text}`);

/**
 * The demos of a predictor that are most like a question, as many as `nearest` says. The most alike is the last one, next to the question;
 * of two that are as much alike the earlier in the list counts as nearer.
 */
export async function nearestDemos(
  signature: SignatureFields,
  { demos, nearest = demos.length, model: { base } }: Pick<PredictorState, 'demos' | 'nearest' | 'model'>,
  inputs: Fields,
  embed: EmbedCall,
): Promise<readonly Demo[]> {
  if (demos.length === 0) return [];
  const texts = demos.map((demo) => userText(signature, demo.inputs));
  const vectors = await embed(base, texts, 'demos');
  const [question] = await embed(base, [userText(signature, inputs)], 'question');
  const near = vectors.map((vector, index) => ({ index, similarity: similarity(question!, vector) }));
  near.sort((a, b) => b.similarity - a.similarity || a.index - b.index);
  return near
    .slice(0, nearest)
    .reverse()
    .map(({ index }) => demos[index]!);
}

/** The cosine of two vectors of length 1; what has no vector is like nothing. */
function similarity(a: Float32Array, b: Float32Array): number {
  if (a.length === 0 || b.length === 0) return -1;
  let sum = 0;
  for (let index = 0; index < a.length; index++) sum += a[index]! * b[index]!;
  return sum;
}

/** A text that a candidate needs the embedding of, whatever it is asked. */
export interface NeededEmbedding {
  readonly base: string;
  readonly text: string;
}

/** What has to be known to choose among the demos of these predictors. */
export const neededEmbeddings = (
  predictors: { readonly [name: string]: SignatureFields },
  candidate: { readonly predictors: { readonly [name: string]: PredictorState } },
): readonly NeededEmbedding[] =>
  Object.entries(predictors).flatMap(([name, signature]) => {
    const { demos, nearest, model } = predictorState(candidate, name);
    return nearest === undefined
      ? []
      : demos.map(({ inputs }) => ({ base: model.base, text: userText(signature, inputs) }));
  });

interface Source {
  recall(base: string, text: string): Float32Array | undefined;
  /** For texts that are not remembered, each once. */
  ask(base: string, texts: readonly string[]): Promise<readonly Float32Array[]>;
}

/** Asks for a text only where it is not remembered nor on its way. Vectors of demos stay in this process; questions are without end. */
export function embedOnce({ recall, ask }: Source): EmbedCall {
  const known = new Map<string, Promise<Float32Array>>();
  return (base, texts, of) => {
    const found = new Map<string, Promise<Float32Array>>();
    const open = new Map<string, string>();
    for (const text of texts) {
      const id = embeddingId(base, text);
      const vector = found.get(id) ?? known.get(id) ?? inPromise(recall(base, text));
      if (vector) found.set(id, vector);
      else open.set(id, text);
    }
    const asked = open.size > 0 ? ask(base, [...open.values()]) : Promise.resolve([]);
    for (const [index, id] of [...open.keys()].entries()) {
      // `!`: an answer has a vector for each text.
      const vector = asked.then((vectors) => vectors[index]!);
      found.set(id, vector);
      known.set(id, vector);
    }
    if (of === 'demos') for (const [id, vector] of found) known.set(id, vector);
    const forget = () => {
      for (const id of open.keys()) known.delete(id);
    };
    asked.then(of === 'demos' ? undefined : forget, forget);
    // `!`: whatever was not found has been asked for.
    return Promise.all(texts.map((text) => found.get(embeddingId(base, text))!));
  };
}

const inPromise = (vector: Float32Array | undefined) => vector && Promise.resolve(vector);

/** The model's own embeddings; an InputError where it cannot give any. */
export async function embedWith(model: LanguageModel, texts: readonly string[]): Promise<readonly Float32Array[]> {
  if (model.weights) return model.weights.embed(texts);
  throw embeddingsOutOfReach([
    `The model "${model.base.name}" at ${model.base.path} answers, but gives no embeddings.`,
  ]);
}

export const embeddingsOutOfReach = (mistakes: readonly string[]): InputError =>
  new InputError(
    'embeddings-out-of-reach',
    mistakes,
    'Demos by likeness (knnFewShot, nearest) need the embeddings of a GGUF file on this machine: use one, or show the same demos to every question (labeledFewShot, bootstrapFewShot).',
  );
