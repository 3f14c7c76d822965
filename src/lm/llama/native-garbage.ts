/** Counts native memory that JavaScript's collector cannot see. */
export interface NativeGarbage {
  /** To be called for every sampler, while nothing runs on the thread that would mind a pause of some ten milliseconds. */
  addSampler(): void;
}

// A sampler keeps its candidates, 12 bytes for each token of the vocabulary, and the library a copy, until it is collected as an object of
// a few bytes: without help 60 rows of "most-probable" labels took 650 MB on the default model.
const bytesPerToken = 24;
const bytesAllowed = 64 * 2 ** 20;

/** Collects when so many samplers were made that they may hold 64 MB. Needs --expose-gc, and does nothing without it. */
export function createNativeGarbage(vocabularySize: number): NativeGarbage {
  const most = Math.max(1, Math.floor(bytesAllowed / (bytesPerToken * vocabularySize)));
  let samplers = 0;
  return {
    addSampler() {
      if (++samplers < most) return;
      samplers = 0;
      globalThis.gc?.();
    },
  };
}
