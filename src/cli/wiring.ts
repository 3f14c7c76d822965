import { join } from 'node:path';
import type { LanguageModel } from '../core/lm.ts';
import type { Optimizer } from '../core/optimizer.ts';
import { type LocalModelOptions, localModel } from '../lm/llama/local-model.ts';
import { isEndpoint, parseEndpoint } from '../lm/openai-compatible/endpoint.ts';
import { openaiCompatible } from '../lm/openai-compatible/openai-compatible.ts';
import { bootstrapFewShot } from '../optimize/bootstrap-few-shot.ts';
import { bootstrapFinetune } from '../optimize/bootstrap-finetune.ts';
import { copro } from '../optimize/copro/copro.ts';
import { gepa } from '../optimize/gepa/gepa.ts';
import { inferRules } from '../optimize/infer-rules.ts';
import { knnFewShot } from '../optimize/knn-few-shot.ts';
import { labeledFewShot } from '../optimize/labeled-few-shot.ts';
import { miproV2 } from '../optimize/mipro/mipro-v2.ts';
import { bootstrapFewShotWithRandomSearch } from '../optimize/random-search/random-search.ts';
import { simba } from '../optimize/simba/simba.ts';
import { betterTogetherOver, type Defaults } from '../run/better-together.ts';
import { memoryStore, sqliteStore } from '../store/sqlite-store.ts';
import { now } from '../system/clock.ts';
import { modelsFolder, packageVersion, pythonLockFile } from '../system/folders.ts';
import { onNetworkAttempt } from '../system/network.ts';
import { gitState, hardware, sha256OfText } from '../system/surroundings.ts';
import { pythonTrainer } from '../trainer/python-trainer.ts';

// The composition root: here, and in index.ts, every name is known.

/** By the names that strategies and `--optimizer` use. */
export const optimizersByName: { readonly [name: string]: () => Optimizer } = {
  labeledFewShot: () => labeledFewShot(),
  bootstrapFewShot: () => bootstrapFewShot(),
  bootstrapFewShotWithRandomSearch: () => bootstrapFewShotWithRandomSearch(),
  knnFewShot: () => knnFewShot(),
  copro: () => copro(),
  miproV2: () => miproV2(),
  gepa: () => gepa(),
  simba: () => simba(),
  inferRules: () => inferRules(),
  bootstrapFinetune: () => bootstrapFinetune(),
};

/** Twice the host's sequences: one half is being decoded while the other waits. */
const concurrency = 16;

export const defaults: Defaults = {
  version: packageVersion(),
  concurrency,
  openStore: (path) => (path === undefined ? memoryStore() : sqliteStore(path)),
  trainer: () => pythonTrainer(),
  now,
  onNetworkAttempt,
  surroundings: async (folder) => ({
    git: await gitState(folder),
    hardware: hardware(),
    pythonLock: sha256OfText(pythonLockFile()),
  }),
  optimizers: () => ({ p: bootstrapFewShotWithRandomSearch(), w: bootstrapFinetune() }),
};

/** Optimizes prompts and weights of a program together; the README shows a whole run. */
export const betterTogether = betterTogetherOver(defaults);

/** The model that set-up prepares. */
export const defaultModelPath = (): string => join(modelsFolder(), 'SmolLM2-135M-Instruct.Q8_0.gguf');

/** The model at a place: a GGUF file, or an endpoint such as `http://127.0.0.1:8080/v1#model-name`. */
export function openModel(
  place: string,
  { contextTokens, ...host }: Omit<LocalModelOptions, 'gguf'> = {},
): Promise<LanguageModel & AsyncDisposable> {
  const size = contextTokens === undefined ? {} : { contextTokens };
  if (!isEndpoint(place)) return localModel({ gguf: place, ...host, ...size });
  const { url, model } = parseEndpoint(place);
  return openaiCompatible({ url, ...(model === null ? {} : { model }), ...size });
}

export { isEndpoint, localModel, openaiCompatible, pythonTrainer, sqliteStore };
