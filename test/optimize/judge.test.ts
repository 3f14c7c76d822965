import { expect, test } from 'vitest';
import { candidateOf } from '../../src/core/callable.ts';
import { example } from '../../src/core/example.ts';
import { judge } from '../../src/optimize/judge.ts';
import { optimizerContext } from '../support/optimizer-context.ts';
import { numbers, program } from '../support/parity-task.ts';
import { scriptedModel } from '../support/scripted-model.ts';

const always = (kind: string) => scriptedModel(() => [kind]);

/** How many rows a candidate was asked that is right on every second one, and needs a higher score than this. */
async function rowsAsked(count: number, toBeat: number, scoresToBeat?: readonly number[]): Promise<number> {
  const model = always('odd');
  const made = program(model);
  const { context } = optimizerContext(model, made.structure, { train: [], val: [] });
  const rows = numbers(0, count).map(({ number, kind }) => example({ number }, { kind }));
  const { evaluation } = await judge(context, candidateOf(made), rows, { toBeat, scoresToBeat });
  return evaluation.rows.length;
}

test('rows are asked until it is certain that they cannot suffice', async () => {
  expect(await rowsAsked(96, 0.9)).toBe(32);
  expect(await rowsAsked(96, 0.6)).toBe(96);
  expect(await rowsAsked(96, 0.4)).toBe(96);
});

test('what the one to beat has wrong is asked first: a candidate that has the same wrong has lost after a few rows', async () => {
  // Wrong on eight even numbers at the end, where the candidate is wrong too.
  const scores = numbers(0, 96).map((_, row) => (row >= 80 && row % 2 === 0 ? 0 : 1));
  expect(await rowsAsked(96, 88 / 96, scores)).toBe(8);
  expect(await rowsAsked(96, 88 / 96)).toBe(32);
});

test('scores come back in the order of the examples, in whatever order they were asked', async () => {
  const model = always('odd');
  const made = program(model);
  const { context } = optimizerContext(model, made.structure, { train: [], val: [] });
  const rows = numbers(0, 16).map(({ number, kind }) => example({ number }, { kind }));
  const scoresToBeat = rows.map((_, row) => (row % 3 === 0 ? 1 : 0));
  const { evaluation, score } = await judge(context, candidateOf(made), rows, { toBeat: 0.4, scoresToBeat });
  expect(evaluation.rows.map((row) => row.example)).toEqual(rows);
  expect(score).toBe(0.5);
});
