import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { candidateOf } from '../../src/core/callable.ts';
import type { TrainingRow } from '../../src/core/data-set.ts';
import { example } from '../../src/core/example.ts';
import { seededRng } from '../../src/core/rng.ts';
import { bootstrapFinetune } from '../../src/optimize/bootstrap-finetune.ts';
import { evaluationSettings, heldOutShare } from '../../src/optimize/evaluation-settings.ts';
import { holdOut } from '../../src/optimize/held-out.ts';
import { optimizerContext } from '../support/optimizer-context.ts';
import { numbers, program, student } from '../support/parity-task.ts';

const row = (label: string, example: string): TrainingRow => ({
  prompt: { system: '', turns: [], user: example },
  pieces: [label],
  predictor: 'predict',
  example,
  from: 'labelled',
  label,
});
const rowsOf = (counts: { readonly [label: string]: number }) =>
  Object.entries(counts).flatMap(([label, count]) =>
    Array.from({ length: count }, (_, index) => row(label, `${label}-${index}`)),
  );
const held = (rows: readonly TrainingRow[]) => rows.filter(({ heldOut }) => heldOut);

describe('rows that are held out', () => {
  test('are the share of all, and of every label within one row', () => {
    const sizes = fc.dictionary(fc.string({ maxLength: 3 }), fc.integer({ min: 1, max: 40 }), { minKeys: 1 });
    fc.assert(
      fc.property(sizes, fc.double({ min: 0, max: 0.5, noNaN: true }), fc.integer(), (counts, share, seed) => {
        const rows = rowsOf(counts);
        const marked = held(holdOut(rows, share, seededRng(seed)));
        expect(Math.abs(marked.length - share * rows.length)).toBeLessThanOrEqual(0.5 + 1e-9);
        for (const [label, count] of Object.entries(counts)) {
          const own = marked.filter((one) => one.label === label).length;
          expect(Math.abs(own - share * count)).toBeLessThanOrEqual(1 + 1e-9);
        }
      }),
    );
  });

  test('are all rows of an example or none, in the order in which they were', () => {
    const rows = rowsOf({ a: 10, b: 10 }).flatMap((one) => [one, { ...one, predictor: 'other' }]);
    const marked = holdOut(rows, 0.3, seededRng(0));
    expect(marked.map(({ example, predictor }) => [example, predictor])).toEqual(
      rows.map(({ example, predictor }) => [example, predictor]),
    );
    const examples = held(marked).map(({ example }) => example);
    expect(examples).toHaveLength(12);
    expect(new Set(examples).size).toBe(6);
  });

  test('are others with another seed, and the same with the same', () => {
    const chosen = (seed: number) => held(holdOut(rowsOf({ a: 30 }), 0.2, seededRng(seed))).map((one) => one.example);
    expect(chosen(1)).toEqual(chosen(1));
    expect(chosen(2)).not.toEqual(chosen(1));
  });
});

describe('a weight step', () => {
  const ordered = async (settings: Parameters<typeof bootstrapFinetune>[0], count = 20) => {
    const model = student(() => 10);
    const given = program(model);
    const train = numbers(0, count).map(({ number, kind }) => example({ number }, { kind }));
    const { context, orders } = optimizerContext(model, given.structure, { train, val: [] });
    await bootstrapFinetune({ rows: 'labelled', ...settings }).optimize(candidateOf(given), context);
    return orders[0]!;
  };

  test('orders its training with and without held-out rows', async () => {
    const { rows, evaluation, training } = await ordered({ heldOut: 0.2, batch: 4, epochs: 5 });
    expect([held(rows).length, training.steps]).toEqual([4, 20]);
    expect(evaluation).toEqual({ everySteps: 2, patience: 3, keep: 'best' });
    const whole = await ordered({});
    expect([held(whole.rows), whole.evaluation]).toEqual([[], null]);
  });

  test('looks at them as it is told', async () => {
    const told = { evaluateSteps: 7, patience: 2, keepCheckpoint: 'last' } as const;
    const { evaluation } = await ordered({ heldOut: 0.2, ...told });
    expect(evaluation).toEqual({ everySteps: 7, patience: 2, keep: 'last' });
  });

  test('needs rows on both sides', async () => {
    await expect(ordered({ heldOut: 0.1 }, 2)).rejects.toMatchObject({
      code: 'held-out-rows',
      message: 'With heldOut 0.1, of 2 rows 2 are learned and 0 held out.',
    });
  });

  test('refuses settings about rows that it does not hold out', () => {
    expect(() => bootstrapFinetune({ patience: 2, evaluateSteps: 5 })).toThrow(
      'evaluateSteps, patience: about held-out rows, of which heldOut asks for none.',
    );
  });

  test('refuses epochs beside steps', () => {
    expect(() => bootstrapFinetune({ epochs: 2, steps: 50 })).toThrow('epochs and steps are both given');
  });

  test('makes whole epochs, also where the batch does not divide the rows', async () => {
    const { training } = await ordered({ epochs: 4, batch: 8 });
    expect(training.steps).toBe(12);
  });
});

test('a tenth is held out from 500 M parameters and 100 rows on, where nothing is said', () => {
  const open = { heldOut: null, evaluateSteps: null, patience: null, keepCheckpoint: null };
  const facts = (parameters: number) => ({ parameters, layers: 10, givesProbabilities: true });
  const share = (parameters: number, rows: number) => heldOutShare(open, facts(parameters), rows);
  expect([share(499e6, 1000), share(500e6, 99), share(500e6, 100)]).toEqual([0, 0, 0.1]);
  expect(heldOutShare({ ...open, heldOut: 0.3 }, facts(1e6), 10)).toBe(0.3);
  expect(evaluationSettings(open, 55).everySteps).toBe(6);
});
