import { expect, test } from 'vitest';
import { trainingLines } from '../../src/report/training-text.ts';

const trained = { adapter: 'ab'.repeat(32), steps: 20, finalLoss: 0.1234 };

test('a training says what it began with, how long it took, and what its held-out rows said', () => {
  const losses = [
    { step: 10, loss: 0.5 },
    { step: 20, loss: 0.75 },
  ];
  const forgetting = { positions: 99, meanKl: 0.0123, worstKl: 0.5 };
  const outcome = { forgetting, startFrom: 'cd'.repeat(32), keptStep: 10, heldOut: { rows: 8, losses } };
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

test('a training from before that was kept says what is known', () => {
  expect(trainingLines(trained)).toEqual(['adapter abababababab: 20 steps, loss 0.123']);
});
