import { expect, test } from 'vitest';
import { StepError } from '../../src/core/errors.ts';
import { seededRng } from '../../src/core/rng.ts';
import type { Effect, Parity } from '../../src/core/trainer.ts';
import { effectOf, type Moved, parityOf, probesOf, requireEffect } from '../../src/run/gates.ts';

const positions = 120;
const tokens = 50;
const rng = seededRng('gates');
const logits = (size: number): number[] => Array.from({ length: tokens }, () => size * (rng.next() + rng.next() - 1));
const all = (make: () => number[]): number[][] => Array.from({ length: positions }, make);
const plus = (a: readonly number[][], b: readonly number[][], share = 1): number[][] =>
  a.map((row, index) => row.map((value, token) => value + share * b[index]![token]!));
const probabilities = (rows: readonly number[][]): Float32Array[] =>
  rows.map((row) => {
    const total = Math.log(row.reduce((sum, value) => sum + Math.exp(value), 0));
    return Float32Array.from(row, (value) => value - total);
  });

const base = all(() => logits(4));
const move = all(() => logits(0.4));
const trainer: Moved = { base: probabilities(base), adapter: probabilities(plus(base, move)) };

/** A runtime that rounds, and moves by so much of what was trained. */
function runtimeThatMoves(share: number, rounding: number): Moved {
  const rounded = () =>
    plus(
      base,
      all(() => logits(rounding)),
    );
  return { base: probabilities(rounded()), adapter: probabilities(plus(rounded(), move, share)) };
}

test.each([
  [1, 0],
  [0.5, 0],
  [0, 0],
  [-1, 0],
  // As much rounding as there is movement.
  [1, 0.4],
  [0.5, 0.4],
])('a runtime that moves by %d of what the trainer moves is found to, with rounding of %d', (share, rounding) => {
  expect(effectOf(runtimeThatMoves(share, rounding), trainer).share).toBeCloseTo(share, 1);
});

test('where the trainer moves nothing, nothing is all of it', () => {
  const still = { base: trainer.base, adapter: trainer.base };
  expect(effectOf(still, still)).toEqual({ positions, meanKl: 0, worstKl: 0, share: 1 });
});

const parity = (meanKl: number): Parity => ({ positions, meanKl, worstKl: meanKl });
const effect = (share: number): Effect => ({ ...parity(0.1), share });

test.each([
  ['all of a large movement', 0.98, 1, 1e-3, true],
  ['all but a twentieth of it', 0.95, 1, 1e-3, false],
  ['more than was trained', 1.05, 1, 1e-3, false],
  ['nearly all of a movement as small as the rounding', 0.96, 1e-3, 1e-3, true],
  ['half of it', 0.5, 1e-3, 1e-3, false],
  ['none of it', 0, 1e-3, 1e-3, false],
  ['what cannot be told from nothing', 0.2, 1e-6, 1e-3, true],
  ['no number', Number.NaN, 1, 1e-3, false],
])('%s is judged beside the rounding', (_, share, trained, rounding, isRight) => {
  const check = () => requireEffect(effect(share), parity(trained), parity(rounding));
  if (isRight) expect(check()).toBeUndefined();
  else expect(check).toThrow(StepError);
});

test('equal distributions are zero nats apart, and others as far as their KL', () => {
  const even = Float32Array.of(Math.log(0.5), Math.log(0.5));
  const skewed = Float32Array.of(Math.log(0.25), Math.log(0.75));
  expect(parityOf([even, even], [even, even])).toEqual({ positions: 2, meanKl: 0, worstKl: 0 });
  // 0.5 ln(0.5 / 0.25) + 0.5 ln(0.5 / 0.75)
  expect(parityOf([even, even], [even, skewed])).toEqual({ positions: 2, meanKl: 0.071921, worstKl: 0.14384 });
});

test('rows are compared at forty places and more, however few there are, and one text is long', () => {
  const row = { promptIds: Array.from({ length: 60 }, (_, id) => id), completionIds: [1, 2] };
  for (const count of [1, 3, 20]) {
    const probes = probesOf(Array(count).fill(row), 512);
    expect(probes.flatMap((probe) => probe.positions).length).toBeGreaterThanOrEqual(40);
    expect(Math.max(...probes.map(({ ids }) => ids.length))).toBe(Math.min(511, 62 * count));
  }
});
