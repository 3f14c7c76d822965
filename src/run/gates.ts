import { StepError } from '../core/errors.ts';
import type { BaseModel, Probe, TokenRow } from '../core/lm.ts';
import type { Effect, Parity } from '../core/trainer.ts';

/** Positions that a parity figure is averaged over at least: single prompts scatter by a factor of two. */
export const leastPositions = 40;

/** Next-token distributions of the runtime against the trainer's, position by position: KL(runtime || trainer) in nats. */
export function parityOf(runtime: readonly Float32Array[], trainer: readonly Float32Array[]): Parity {
  if (runtime.length !== trainer.length || runtime.length === 0) {
    throw new TypeError(`Distributions to compare: ${runtime.length} of the runtime, ${trainer.length} of the trainer`);
  }
  const divergences = runtime.map((distribution, index) => divergence(distribution, trainer[index]!));
  const meanKl = divergences.reduce((sum, kl) => sum + kl, 0) / divergences.length;
  return rounded({ positions: divergences.length, meanKl, worstKl: Math.max(...divergences) });
}

/** Five digits: what is left varies with nothing that matters, and the figure is part of an event. */
export const rounded = ({ positions, meanKl, worstKl }: Parity): Parity => ({
  positions,
  meanKl: Number(meanKl.toPrecision(5)),
  worstKl: Number(worstKl.toPrecision(5)),
});

function divergence(p: Float32Array, q: Float32Array): number {
  if (p.length !== q.length) throw new TypeError(`Vocabularies of ${p.length} and ${q.length} tokens`);
  let sum = 0;
  for (let token = 0; token < p.length; token++) {
    const weight = Math.exp(p[token]!);
    if (weight > 1e-12) sum += weight * (p[token]! - q[token]!);
  }
  return sum;
}

/**
 * Mean KL that a right import or adapter stays under: llama.cpp rounds activations to 8 bits on quantised bases (a real 135M model has
 * 3e-3 to 6e-3 there and 1e-4 on F16), while unpermuted q/k rows are at 3.9e-2 and half an alpha at 8e-1.
 */
export const parityBound = (base: Pick<BaseModel, 'fileType'>): number => (isQuantized(base) ? 1.5e-2 : 1e-3);

export const isQuantized = ({ fileType }: Pick<BaseModel, 'fileType'>): boolean => !/^(B?F16|F32)$/i.test(fileType);

export function requireParity(gate: string, parity: Parity, base: BaseModel): void {
  const bound = parityBound(base);
  if (parity.positions >= leastPositions && parity.meanKl <= bound) return;
  const fact =
    parity.positions < leastPositions
      ? `compared at ${parity.positions} positions only, ${leastPositions} are needed`
      : `mean KL ${parity.meanKl} over ${parity.positions} positions, at most ${bound} is right for a ${base.fileType} file`;
  throw new StepError(
    `gate-${gate}`,
    `The ${gate} gate refused: runtime and trainer disagree about the ${gate === 'base' ? `weights of "${base.name}"` : 'trained adapter'} (${fact}).`,
    gate === 'base'
      ? `Architecture "${base.architecture}" cannot be imported faithfully yet: prompt steps still work ("p"), weight steps need another base.`
      : 'Run again with another seed; if it repeats, report it with the run id.',
  );
}

/** What an engine says without and with an adapter, at the same positions. */
export interface Moved {
  readonly base: readonly Float32Array[];
  readonly adapter: readonly Float32Array[];
}

/**
 * How far an adapter moves the runtime, and how much that is of what it moves the trainer, in the same direction: 1 is all of it. Rounding
 * has no direction, so this sees faults of small adapters that are lost in the noise of a quantised base.
 */
export function effectOf(runtime: Moved, trainer: Moved): Effect {
  let along = 0;
  let whole = 0;
  for (const [index, base] of trainer.base.entries()) {
    const ours = centered(base, runtime.adapter[index]!, runtime.base[index]!);
    const theirs = centered(base, trainer.adapter[index]!, base);
    for (let token = 0; token < base.length; token++) {
      const weighted = Math.exp(base[token]!) * theirs[token]!;
      along += weighted * ours[token]!;
      whole += weighted * theirs[token]!;
    }
  }
  // Nothing is all of nothing.
  const share = whole === 0 ? 1 : along / whole;
  return { ...parityOf(runtime.adapter, runtime.base), share: Number(share.toPrecision(5)) };
}

/** The change of each log-probability, without what all share, weighted by `weights` (logarithms). */
function centered(weights: Float32Array, after: Float32Array, before: Float32Array): Float64Array {
  const change = Float64Array.from(after, (value, token) => value - before[token]!);
  const mean = change.reduce((sum, value, token) => sum + Math.exp(weights[token]!) * value, 0);
  return change.map((value) => value - mean);
}

/**
 * Right adapters are at 0.99 to 1.01, unpermuted rows of q and k at 0.97 and below, half an alpha at 0.5 (docs/weights.md). Of an adapter that
 * moves no more than the base's rounding does, less can be said: a right one was at 1.03.
 */
const shareTolerance = (rounding: Parity, trainer: Parity): number =>
  Math.max(0.025, 0.06 * Math.sqrt(rounding.meanKl / trainer.meanKl));

/** An adapter that does nothing has perfect parity: it must also move the runtime as it moves the trainer. */
export function requireEffect(effect: Effect, trainer: Parity, rounding: Parity): void {
  const tolerance = shareTolerance(rounding, trainer);
  if (trainer.meanKl === 0 || Math.abs(effect.share - 1) <= tolerance) return;
  throw new StepError(
    'gate-effect',
    `The effect gate refused: the adapter moves the runtime by ${effect.share} of what it moves the trainer (a mean KL of ${trainer.meanKl}), and 1 ± ${tolerance.toFixed(3)} is right here.`,
    'The runtime does not apply the adapter as it was trained. Run again with another seed; if it repeats, report it with the run id.',
  );
}

/**
 * Where to compare: six rows with eight places each, the last ones among them, and one long text, since errors of position grow with it.
 */
export function probesOf(rows: readonly TokenRow[], contextTokens: number): Probe[] {
  const whole = rows.map(({ promptIds, completionIds }) => [...promptIds, ...completionIds]);
  const chosen = Array.from(
    { length: Math.min(6, whole.length) },
    (_, index) => whole[Math.floor((index * whole.length) / Math.min(6, whole.length))]!,
  );
  const places = Math.max(8, Math.ceil(leastPositions / chosen.length));
  const long = whole.flat().slice(0, Math.min(1000, contextTokens - 1));
  return [
    ...chosen.map((ids) => ({ ids, positions: spread(ids.length, places) })),
    { ids: long, positions: spread(long.length, 8) },
  ];
}

/** Up to `count` places, evenly over the last three quarters of a text. */
function spread(length: number, count: number): number[] {
  const first = Math.floor(length / 4);
  const step = Math.max(1, (length - 1 - first) / Math.max(1, count - 1));
  const places = Array.from({ length: count }, (_, index) => Math.min(length - 1, Math.round(first + index * step)));
  return [...new Set(places)];
}
