import { scaleLinear } from 'd3-scale';
import { line } from 'd3-shape';
import type { LossAtStep } from '../../core/trainer.ts';
import { chart, fixed, plotted } from './chart-frame.ts';
import { type Html, html } from './html.ts';

interface LossCurves {
  readonly id: string;
  readonly name: string;
  readonly losses: readonly LossAtStep[];
  /** Of rows that were not trained on; empty where there were none. */
  readonly heldOut: readonly LossAtStep[];
}

/** How the loss of a training fell; null where there is no curve. */
export function lossChart({ id, name, losses, heldOut }: LossCurves): Html | null {
  const [first, last] = [losses[0], losses.at(-1)];
  if (!first || !last || losses.length < 2) return null;
  const x = scaleLinear([first.step, last.step], plotted.x);
  const y = scaleLinear([0, Math.max(...[...losses, ...heldOut].map(({ loss }) => loss))], plotted.y).nice();
  const curve = line<LossAtStep>(
    ({ step }) => x(step),
    ({ loss }) => y(loss),
  );
  return chart({
    id,
    title: `Loss of ${name}${heldOut.length > 0 ? ': of its rows as a line, of held-out rows as circles' : ''}`,
    description: `From ${first.loss.toFixed(3)} at step ${first.step} to ${last.loss.toFixed(3)} at step ${last.step}, over ${losses.length} values.`,
    y,
    yText: (value) => String(value),
    yName: 'loss',
    xTicks: x.ticks(6).map((tick) => ({ at: x(tick), text: String(tick) })),
    xName: 'training step',
    marks: html`<path class="way" d="${curve(losses)}"/>${heldOut.map(({ step, loss }) => html`<circle class="test" cx="${fixed(x(step))}" cy="${fixed(y(loss))}" r="4"/>`)}`,
  });
}
