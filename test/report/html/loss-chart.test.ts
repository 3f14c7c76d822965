import { expect, test } from 'vitest';
import { markupText } from '../../../src/report/html/html.ts';
import { lossChart } from '../../../src/report/html/loss-chart.ts';

const losses = [3, 1.5, 0.5].map((loss, index) => ({ step: index + 1, loss }));

test('a curve is drawn, told in words, and has a circle for each loss of held-out rows', () => {
  const svg = markupText(lossChart({ id: 'c', name: 'adapter 1', losses, heldOut: [{ step: 3, loss: 1 }] })!);
  expect(svg).toContain('From 3.000 at step 1 to 0.500 at step 3, over 3 values.');
  expect([svg.match(/<circle/g)?.length, svg.match(/<path class="way" d="M[^"]+L[^"]+"/g)?.length]).toEqual([1, 1]);
});

test('one loss makes no curve', () => {
  expect(lossChart({ id: 'c', name: 'adapter 1', losses: losses.slice(0, 1), heldOut: [] })).toBeNull();
});
