import { expect, test } from 'vitest';
import { followLeader } from '../../src/cli/leader.ts';
import type { RunEvent } from '../../src/core/event.ts';

/** Scores on val rows, by their numbers. */
const onVal = (candidate: string, scores: { readonly [row: number]: number }): RunEvent => ({
  type: 'evaluation',
  step: 1,
  split: 'val',
  candidate,
  mean: null,
  rows: Object.entries(scores).map(([example, score]) => ({ example, score })),
});

test('a candidate leads with the mean over all rows, not with a good beginning', () => {
  const after = followLeader();
  expect(after(onVal('start', { 1: 1, 2: 0, 3: 1, 4: 0 }), 'baseline')).toMatchObject({ what: 'baseline', mean: 0.5 });
  expect(after(onVal('other', { 1: 1, 2: 1 }), 'other')).toMatchObject({ what: 'baseline' });
  expect(after(onVal('other', { 3: 0, 4: 0 }), 'other')).toMatchObject({ what: 'baseline' });
  expect(after(onVal('third', { 1: 1, 2: 1 }), 'third')).toMatchObject({ what: 'baseline' });
  expect(after(onVal('third', { 3: 1, 4: 0 }), 'third')).toMatchObject({ what: 'third', mean: 0.75 });
});

test('ties stay with the earlier, and other splits have no leader', () => {
  const after = followLeader();
  expect(after({ ...onVal('start', { 1: 1 }), split: 'test' } as RunEvent, 'sealed')).toBeNull();
  after(onVal('start', { 1: 1 }), 'baseline');
  expect(after(onVal('other', { 1: 1 }), 'other')).toMatchObject({ what: 'baseline' });
});
