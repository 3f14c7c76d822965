import { expect, test } from 'vitest';
import { candidateOf, predict } from '../../src/core/callable.ts';
import { example } from '../../src/core/example.ts';
import type { Experiment } from '../../src/run/experiment.ts';
import { tokensNeeded } from '../../src/run/tokens-needed.ts';
import { parity, student } from '../support/parity-task.ts';

function needed(texts: readonly string[], instructions = 'Odd or even?'): number {
  const program = predict({ ...parity, instructions }).withLm(student(() => 5));
  const [train, val, test] = texts.map((number) => [example({ number }, { kind: 'odd' })]);
  const known = { structure: program.structure, initial: candidateOf(program) };
  // `as`: the rest of an experiment has no part in it.
  return tokensNeeded({ ...known, splits: { train, val, test } } as unknown as Experiment);
}

test('the longest example of any split decides', () => {
  const short = needed(['1', '2', '3']);
  const long = 'word '.repeat(3000);
  for (const texts of [
    [long, '2', '3'],
    ['1', long, '3'],
    ['1', '2', long],
  ])
    expect(needed(texts)).toBeGreaterThan(short + 3000);
});

test('instructions, demos and the longest answer have room', () => {
  expect(needed(['1', '2', '3'])).toBeGreaterThan(600 + 512);
  expect(needed(['1', '2', '3'], 'word '.repeat(1000))).toBeGreaterThan(needed(['1', '2', '3']) + 1000);
});
