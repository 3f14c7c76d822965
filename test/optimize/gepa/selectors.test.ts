import { describe, expect, test } from 'vitest';
import { seededRng } from '../../../src/core/rng.ts';
import type { GepaSettings } from '../../../src/optimize/gepa/parameters.ts';
import { selectComponents, selectParent, weightedIndex } from '../../../src/optimize/gepa/selectors.ts';

// The best, a specialist, and one that is the best nowhere.
const scores = [
  [1, 1, 1, 0],
  [0, 0, 0, 1],
  [0.5, 0.5, 0.5, 0.5],
];

/** How often each was drawn in 400 draws. */
function draws(strategy: GepaSettings['candidateSelectionStrategy'], { epsilon = 0.1, topK = 5 } = {}): number[] {
  const rng = seededRng(0);
  const counts = scores.map(() => 0);
  for (let draw = 0; draw < 400; draw++)
    counts[selectParent(scores, { candidateSelectionStrategy: strategy, epsilon, topK }, rng)]!++;
  return counts;
}

describe('the parent', () => {
  test('is drawn from the front by the number of rows it is the best on', () => {
    const [best, specialist, other] = draws('pareto');
    expect(best! / specialist!).toBeGreaterThan(2);
    expect(best! / specialist!).toBeLessThan(4.5);
    expect(other).toBe(0);
  });

  test('is the current best', () => {
    expect(draws('current-best')).toEqual([400, 0, 0]);
  });

  test('is the current best, but anyone with probability epsilon', () => {
    expect(draws('epsilon-greedy', { epsilon: 0 })).toEqual([400, 0, 0]);
    for (const count of draws('epsilon-greedy', { epsilon: 1 })) expect(count).toBeGreaterThan(100);
  });

  test('is drawn from the front of the k best alone', () => {
    const [best, specialist, other] = draws('top-k-pareto', { topK: 2 });
    expect(specialist).toBe(0);
    expect(best! / other!).toBeGreaterThan(2);
  });
});

test('weights that are all 0 are equal ones', () => {
  const rng = seededRng(0);
  const drawn = Array.from({ length: 50 }, () => weightedIndex([0, 0], rng));
  expect(new Set(drawn)).toEqual(new Set([0, 1]));
});

test('a weight of 0 beside others is never drawn', () => {
  const rng = seededRng(0);
  const drawn = Array.from({ length: 50 }, () => weightedIndex([0, 1, 0], rng));
  expect(new Set(drawn)).toEqual(new Set([1]));
});

test('predictors have their turns, or all of them every time', () => {
  const names = ['first', 'second'];
  const turns = [0, 1, 2].map((turn) => selectComponents(names, { componentSelector: 'round-robin' }, turn));
  expect(turns).toEqual([['first'], ['second'], ['first']]);
  expect(selectComponents(names, { componentSelector: 'all' }, 1)).toEqual(names);
});
