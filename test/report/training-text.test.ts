import { expect, test } from 'vitest';
import { trainingLines } from '../../src/report/training-text.ts';

const trained = { adapter: 'ab'.repeat(32), steps: 20, finalLoss: 0.1234 };

test('a training says what it began with, how long it took, and what its held-out rows said', () => {
  const losses = [
    { step: 10, loss: 0.5 },
    { step: 20, loss: 0.75 },
  ];
  const forgetting = { positions: 99, meanKl: 0.0123, worstKl: 0.5 };
  const outcome = {
    method: 'sft',
    forgetting,
    startFrom: 'cd'.repeat(32),
    keptStep: 10,
    heldOut: { rows: 8, losses },
  } as const;
  expect(trainingLines({ ...trained, outcome })).toEqual([
    'adapter abababababab, continued from cdcdcdcdcdcd: 20 steps, loss 0.123',
    'forgetting: mean KL 0.0123 to the base on neutral text',
    'held out: 8 rows, loss 0.500 at step 10 (kept), 0.750 at step 20',
  ]);
  expect(trainingLines({ ...trained, outcome: { ...outcome, startFrom: null, heldOut: null } })).toEqual([
    'adapter abababababab, begun afresh: 20 steps, loss 0.123',
    'forgetting: mean KL 0.0123 to the base on neutral text',
  ]);
});

test('a training on pairs says so', () => {
  const forgetting = { positions: 9, meanKl: 0, worstKl: 0 };
  const outcome = { method: 'dpo', startFrom: null, keptStep: 20, heldOut: null, forgetting } as const;
  expect(trainingLines({ ...trained, outcome })[0]).toBe(
    'adapter abababababab, begun afresh: 20 DPO steps, loss 0.123',
  );
});

test('a training from before that was kept says what is known', () => {
  expect(trainingLines(trained)).toEqual(['adapter abababababab: 20 steps, loss 0.123']);
});
