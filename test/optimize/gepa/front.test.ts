import { describe, expect, test } from 'vitest';
import { bestOf, frontWeights, paretoFront, rowFronts } from '../../../src/optimize/gepa/front.ts';

describe('the pareto front', () => {
  test('keeps a specialist, and not a generalist that is the best nowhere', () => {
    const scores = [
      [1, 0, 0],
      [0, 1, 1],
      [0.9, 0.9, 0.9],
    ];
    expect(paretoFront(scores)).toEqual([0, 1]);
  });

  test('takes out who is only as good as others on each of its rows', () => {
    const scores = [
      [1, 1, 0],
      [1, 0, 0],
      [0, 1, 1],
    ];
    expect(paretoFront(scores)).toEqual([0, 2]);
  });

  test('looks at the weakest first, so that two that could each spare the other do not both go', () => {
    const scores = [
      [1, 0, 0],
      [1, 1, 0],
      [1, 0, 1],
    ];
    expect(paretoFront(scores)).toEqual([1, 2]);
  });

  test('keeps the earlier of equals', () => {
    expect(
      paretoFront([
        [1, 0.5],
        [1, 0.5],
      ]),
    ).toEqual([0]);
  });

  test('counts rows on which nobody has a point for those that stay', () => {
    const scores = [
      [0, 0, 0],
      [1, 0, 0],
    ];
    const front = paretoFront(scores);
    expect([front, frontWeights(scores, front)]).toEqual([[1], [3]]);
  });
});

test('the fronts of the rows name everyone who is the best there', () => {
  const scores = [
    [1, 0, 0.5],
    [0, 0, 0.6],
  ];
  expect(rowFronts(scores)).toEqual([[0], [0, 1], [1]]);
});

test('the best is the earliest of the highest means', () => {
  expect(
    bestOf([
      [0, 1],
      [1, 1],
      [1, 1],
    ]),
  ).toBe(1);
});
