import { scaleLinear } from 'd3-scale';
import { line } from 'd3-shape';
import type { StoredTraining } from '../../core/store.ts';
import { chart, plotted } from './chart-frame.ts';
import { type Html, html } from './html.ts';

type Loss = StoredTraining['losses'][number];

/** How the loss of a training fell; null where there is no curve. */
export function lossChart(id: string, name: string, losses: readonly Loss[]): Html | null {
  const [first, last] = [losses[0], losses.at(-1)];
  if (!first || !last || losses.length < 2) return null;
  const x = scaleLinear([first.step, last.step], plotted.x);
  const y = scaleLinear([0, Math.max(...losses.map(({ loss }) => loss))], plotted.y).nice();
  const curve = line<Loss>(
    ({ step }) => x(step),
    ({ loss }) => y(loss),
  );
  return chart({
    id,
    title: `Training loss of ${name}`,
    description: `From ${first.loss.toFixed(3)} at step ${first.step} to ${last.loss.toFixed(3)} at step ${last.step}, over ${losses.length} values.`,
    y,
    yText: (value) => String(value),
    yName: 'loss',
    xTicks: x.ticks(6).map((tick) => ({ at: x(tick), text: String(tick) })),
    xName: 'training step',
    marks: html`<path class="way" d="${curve(losses)}"/>`,
  });
}
