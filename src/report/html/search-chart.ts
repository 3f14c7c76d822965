import { scaleLinear } from 'd3-scale';
import { curveStepAfter, line } from 'd3-shape';
import type { ScoreInterval } from '../../core/summary.ts';
import { percent } from '../figures.ts';
import type { TriedCandidate } from '../tried-candidates.ts';
import { chart, fixed, plotted } from './chart-frame.ts';
import { type Html, html } from './html.ts';

interface Scored extends TriedCandidate {
  readonly val: ScoreInterval;
  /** The best of those that were measured on as many examples, up to here. */
  readonly best: number;
}

/** Every candidate that was scored on val, in order, and the best so far; null for fewer than two. */
export function searchChart(candidates: readonly TriedCandidate[]): Html | null {
  const scored = withBest(candidates);
  if (scored.length < 2) return null;
  const x = scaleLinear([0, scored.length - 1], plotted.x).nice();
  const y = scaleLinear([0, Math.max(1, ...scored.map(({ val }) => val.high))], plotted.y);
  const best = line<Scored>(
    (_, index) => x(index),
    (one) => y(one.best),
  ).curve(curveStepAfter);
  const whole = x.ticks(8).filter(Number.isInteger);
  return chart({
    id: 'search-chart',
    title: 'Every candidate that was scored on val, with its 95 % interval, and the best so far as a line',
    description: `${scored.length} candidates; the best has ${percent(Math.max(...scored.map((one) => one.best)))} %. The table below has them all.`,
    y,
    yText: (value) => String(Math.round(100 * value)),
    yName: 'val in %',
    xTicks: whole.map((tick) => ({ at: x(tick), text: String(tick) })),
    xName: 'candidates in the order in which they came',
    marks: html`<path class="best" d="${best(scored)}"/>${scored.map(
      ({ val }, index) =>
        html`<line class="val thin" x1="${fixed(x(index))}" x2="${fixed(x(index))}" y1="${fixed(y(val.low))}" y2="${fixed(y(val.high))}"/><circle class="val" cx="${fixed(x(index))}" cy="${fixed(y(val.mean))}" r="3"/>`,
    )}`,
  });
}

/** A score on a few examples, from a race that was lost early, is no best. */
function withBest(candidates: readonly TriedCandidate[]): readonly Scored[] {
  const measured = candidates.flatMap((one) => (one.val ? [{ ...one, val: one.val }] : []));
  const all = Math.max(0, ...measured.map(({ val }) => val.n));
  let best = 0;
  return measured.map((one) => {
    if (one.val.n === all) best = Math.max(best, one.val.mean);
    return { ...one, best };
  });
}
