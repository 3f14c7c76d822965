import { contentId } from '../../src/core/json.ts';
import type { LanguageModel, LmRequest } from '../../src/core/lm.ts';
import { firstAttempt } from '../../src/core/program.ts';
import type { Store } from '../../src/core/store.ts';
import { type Memory, remembering } from '../../src/run/memory.ts';

const base = contentId('scripted');

/** A free question to the scripted model. */
export const question = (user: string): LmRequest => ({
  model: { base, adapter: null },
  prompt: { system: '', turns: [], user },
  answer: null,
  choice: 'greedy',
  sampling: { ...firstAttempt, maxTokens: 8 },
});

/** The memory of the run `run` in front of one model. */
export const memoryOf = (store: Store, model: LanguageModel): Memory =>
  remembering({
    store,
    run: 'run',
    start: 1,
    hosts: {
      hostOf: async () => model,
      engineOf: () => model.engine(),
      adapterFile: (sha256) => ({ sha256, path: '' }),
    },
    budget: { request: async () => ({ settle: () => {} }) },
    signal: new AbortController().signal,
    onCount: () => {},
  });
