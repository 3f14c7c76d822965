import type { Sampling } from '../../core/lm.ts';

/** How the tokens of one value are drawn. Its identity is the draw sequence: a sampler is used for one value of one request. */
export interface Sampler extends Omit<Sampling, 'maxTokens'> {
  readonly grammar: string | null;
}

/** Tokens for the cache of a slot: what it holds beyond `keep` tokens is taken back, then `tokens` are appended. */
interface Pass {
  readonly keep: number;
  readonly tokens: readonly number[];
}

/** A forward pass that an answer needs next; the last token's successor is asked for. */
export type Step =
  | (Pass & { readonly kind: 'weigh'; readonly among: readonly number[] })
  | (Pass & { readonly kind: 'sample'; readonly sampler: Sampler })
  | (Pass & { readonly kind: 'measure'; readonly at: readonly number[] });

/** Logits of the tokens asked for, in their order; which token of all has the highest one; and the logarithm of all their weights. */
export interface Weighed {
  readonly logits: readonly number[];
  readonly top: number;
  readonly logWeight: number;
}

/** A token, and whether the grammar did not allow the one that the model would have written; false where there is no grammar. */
export interface Sampled {
  readonly token: number;
  readonly isOverruled: boolean;
}

export type StepResult =
  | ({ readonly kind: 'weigh' } & Weighed)
  | ({ readonly kind: 'sample' } & Sampled)
  /** One natural log distribution for each index in `at`. */
  | { readonly kind: 'measure'; readonly distributions: readonly Float32Array[] };

/** Work in steps: whoever drives it does the forward passes and hands in what they gave. */
export type Steps<Result> = Generator<Step, Result, StepResult>;

export function* weigh(pass: Pass, among: readonly number[]): Steps<Weighed> {
  const result = yield { ...pass, kind: 'weigh', among };
  if (result.kind !== 'weigh') throw new TypeError(`Asked for logits, got "${result.kind}"`);
  return result;
}

export function* sample(pass: Pass, sampler: Sampler): Steps<Sampled> {
  const result = yield { ...pass, kind: 'sample', sampler };
  if (result.kind !== 'sample') throw new TypeError(`Asked for a token, got "${result.kind}"`);
  return result;
}

export function* measure(pass: Pass, at: readonly number[]): Steps<readonly Float32Array[]> {
  const result = yield { ...pass, kind: 'measure', at };
  if (result.kind !== 'measure') throw new TypeError(`Asked for distributions, got "${result.kind}"`);
  return result.distributions;
}
