import { expect, test } from 'vitest';
import { candidateOf } from '../../src/core/callable.ts';
import { candidateId, mapPredictors } from '../../src/core/candidate.ts';
import type { RunEvent } from '../../src/core/event.ts';
import { example } from '../../src/core/example.ts';
import { evaluationOf } from '../../src/core/metric.ts';
import type { Measured } from '../../src/run/measured.ts';
import { select } from '../../src/run/selection.ts';
import { program, student } from '../support/parity-task.ts';

const start = candidateOf(program(student(() => 0)));
const val = Array.from({ length: 40 }, (_, number) => example({ number: String(number) }, { kind: 'odd' }));

/** A candidate that is right on so many of the 40 rows, from one of them on. */
function measured(strategy: string, right: number, from = 0): Measured {
  const candidate = mapPredictors(start, (state) => ({ ...state, instructions: `${strategy} ${right} ${from}` }));
  const rows = val.map((row, i) => ({
    example: row,
    outputs: null,
    trace: { calls: [] },
    score: { value: Number((i - from + val.length) % val.length < right) },
    failure: null,
  }));
  // `as`: no trace of these rows is looked at.
  return { strategy, candidate, val: evaluationOf(candidateId(candidate), rows as never), test: null };
}

const evaluated = ({ candidate, val: evaluation }: Measured): RunEvent => ({
  type: 'evaluation',
  step: 1,
  split: 'val',
  candidate: candidateId(candidate),
  mean: evaluation!.mean,
  rows: evaluation!.rows.map((row) => ({ example: row.example.id, score: row.score.value })),
});

const chosenBy = (
  rule: 'best-mean' | 'significant',
  candidates: readonly Measured[],
  tried: readonly Measured[] = [],
) => select(candidates, rule, [...candidates, ...tried].map(evaluated), val).chosen.strategy;

const baseline = measured('', 20);

test('best-mean takes the highest mean, ties to the earlier', () => {
  expect(chosenBy('best-mean', [baseline, measured('p', 21), measured('p -> w', 21, 3)])).toBe('p');
  expect(chosenBy('best-mean', [baseline, measured('p', 20, 5)])).toBe('');
});

test('significant keeps the baseline where a gain may be chance, and says so', () => {
  const candidates = [baseline, measured('p', 22)];
  expect(chosenBy('significant', candidates)).toBe('');
  expect(select(candidates, 'significant', candidates.map(evaluated), val).summary).toEqual({
    rule: 'significant',
    judged: 2,
    corrected: null,
    gain: null,
    chanceAmongAll: null,
  });
});

test('significant takes what is better beyond chance, and stays there', () => {
  expect(chosenBy('significant', [baseline, measured('p', 34), measured('p -> w', 35)])).toBe('p');
  expect(chosenBy('significant', [baseline, measured('p', 21), measured('p -> w', 34)])).toBe('p -> w');
});

test('a gain counts less among many that were tried', () => {
  const candidates = [baseline, measured('p', 26)];
  // Six won, none lost: alone that has a chance of 1 in 64.
  expect(chosenBy('significant', candidates)).toBe('p');
  const tried = Array.from({ length: 30 }, (_, i) => measured(`tried ${i}`, 20, i + 1));
  expect(chosenBy('significant', candidates, tried)).toBe('');
});

test('the chosen score is told beside what it is worth on rows it was not picked on', () => {
  const candidates = [baseline, measured('p', 22, 20)];
  const tried = Array.from({ length: 10 }, (_, i) => measured(`tried ${i}`, 21, 3 * i));
  const { chosen, summary } = select(candidates, 'best-mean', [...candidates, ...tried].map(evaluated), val);
  expect(chosen.val!.mean).toBe(0.55);
  expect(summary).toMatchObject({ rule: 'best-mean', judged: 12, gain: { won: 20, lost: 18 } });
  expect(summary!.corrected!.mean).toBeLessThan(0.5);
  expect(summary!.chanceAmongAll).toBeGreaterThan(0.5);
});

test('what an earlier start measured after its choice has no part in it', () => {
  const candidates = [baseline, measured('p', 26)];
  const later = Array.from({ length: 30 }, (_, i) => evaluated(measured(`crossed ${i}`, 20, i + 1)));
  const chosen: RunEvent = { type: 'chosen', strategy: 'p', candidate: 'c' };
  const events = candidates.map(evaluated);
  expect(select(candidates, 'significant', [...events, chosen, ...later], val)).toEqual(
    select(candidates, 'significant', events, val),
  );
});

test('without a val split the latest is taken', () => {
  expect(select([baseline, measured('p', 1)], 'best-mean', [], [])).toEqual({
    chosen: measured('p', 1),
    summary: null,
  });
});
