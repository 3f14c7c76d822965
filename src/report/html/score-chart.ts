import { scaleLinear, scalePoint } from 'd3-scale';
import { line } from 'd3-shape';
import type { ScoreInterval } from '../../core/summary.ts';
import { percent, strategyName } from '../figures.ts';
import type { PathPoint } from '../run-path.ts';
import { chart, fixed, plotted } from './chart-frame.ts';
import { type Html, html } from './html.ts';

const place = ({ step, key }: PathPoint): string => (step === 0 ? 'baseline' : `${step}: ${key}`);

/** Scores with their intervals from the baseline over each step; null where nothing was measured. */
export function scoreChart(path: readonly PathPoint[]): Html | null {
  const scores = path.flatMap(({ val, test }) => [val, test]).filter((score) => score !== null);
  if (scores.length === 0) return null;
  const x = scalePoint(path.map(place), plotted.x).padding(0.5);
  const y = scaleLinear([0, Math.max(1, ...scores.map(({ high }) => high))], plotted.y);
  // `!`: each point has a place.
  const xOf = (point: PathPoint) => x(place(point))!;
  const way = line<PathPoint>(
    (point) => xOf(point) - 6,
    ({ val }) => y(val?.mean ?? 0),
  ).defined(({ val }) => val !== null);
  const bar = (score: ScoreInterval | null, at: number, kind: 'val' | 'test') =>
    score &&
    html`<line class="${kind}" x1="${fixed(at)}" x2="${fixed(at)}" y1="${fixed(y(score.low))}" y2="${fixed(y(score.high))}"/>${
      kind === 'val'
        ? html`<circle class="${kind}" cx="${fixed(at)}" cy="${fixed(y(score.mean))}" r="5"/>`
        : html`<rect class="${kind}" x="${fixed(at - 5)}" y="${fixed(y(score.mean) - 5)}" width="10" height="10"/>`
    }`;
  return chart({
    id: 'score-chart',
    title: 'Scores with 95 % intervals: val as circles, the sealed test as squares',
    description: path.map(wordsOf).join(' '),
    y,
    yText: (value) => String(Math.round(100 * value)),
    yName: 'score in %',
    xTicks: path.map((point) => ({ at: xOf(point), text: place(point) })),
    xName: 'step of the strategy',
    marks: html`<path class="way" d="${way(path)}"/>${path.map((point) => [
      bar(point.val, xOf(point) - 6, 'val'),
      bar(point.test, xOf(point) + 8, 'test'),
    ])}`,
  });
}

const wordsOf = ({ strategy, val, test }: PathPoint): string =>
  `${strategyName(strategy)}: val ${scoreWords(val)}, sealed test ${scoreWords(test)}.`;

const scoreWords = (score: ScoreInterval | null): string =>
  score ? `${percent(score.mean)} % (${percent(score.low)} to ${percent(score.high)})` : 'not measured';
