import type { LmAnswer, LmResponse } from '../../src/core/lm.ts';

/** An answer with everything that a test does not care about filled in. */
export const answered = (pieces: readonly string[], known: Partial<LmAnswer> = {}): LmResponse & { failure: null } => ({
  failure: null,
  pieces,
  choices: pieces.map(() => null),
  constraint: { forks: 0, overruled: 0 },
  completionIds: [],
  usage: { prompt: 1, cachedPrompt: 0, completion: 1 },
  ...known,
});
