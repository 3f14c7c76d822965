import { shortId } from '../../core/json.ts';
import { dataSetLines } from '../data-set-text.ts';
import { secondsText, whole } from '../figures.ts';
import type { RunReport } from '../run-report.ts';
import type { ReportedTraining } from '../trainings.ts';
import { type Html, html } from './html.ts';
import { lossChart } from './loss-chart.ts';
import type { Section } from './section.ts';
import { table } from './table.ts';

/** Each adapter: what it learned from, how its loss fell, and whether the gates let it through. */
export const trainingsSection = ({ trainings, run }: RunReport): Section => ({
  id: 'trainings',
  title: 'Trainings',
  body:
    trainings.length === 0
      ? html`<p>No weights were trained.</p>`
      : trainings.map((training, index) => trainingMarkup(training, index, shortId(run.id))),
});

function trainingMarkup(
  { step, adapter, dataSet, lines, heldOutLosses, stored, gates }: ReportedTraining,
  index: number,
  run: string,
): Html {
  const name = `adapter ${shortId(adapter)}`;
  return html`<h3>Step ${step}: <code>${name}</code></h3>
<ul>${lines.map((line) => html`<li>${line}</li>`)}</ul>
${dataSet ? html`<p>Data set <code>${shortId(dataSet.id)}</code></p><ul>${dataSetLines(dataSet).map((line) => html`<li>${line}</li>`)}</ul><p class="muted"><code>better-together rows ${run} --step ${step} --mask --row 1</code> shows a row with its trained tokens marked.</p>` : html`<p class="muted">What it learned from was not kept: the run is older than that.</p>`}
${stored ? html`<p>${whole(stored.supervisedTokens)} trained tokens in ${secondsText(stored.seconds)}.</p>${lossChart({ id: `loss-${index}`, name, losses: stored.losses, heldOut: heldOutLosses })}<details><summary>The losses as a table</summary>${table({ caption: `Loss of ${name}`, head: ['training step', 'loss'], rows: stored.losses.map(({ step: at, loss }) => html`<tr><td class="number">${at}</td><td class="number">${loss.toFixed(4)}</td></tr>`) })}</details>` : html`<p class="muted">The losses of this training are not in this store.</p>`}
${gates.map(({ gate, passed, parity }) => html`<p>Gate ${gate}: ${passed ? 'passed' : html`<strong>not passed</strong>`}, mean KL ${parity.meanKl.toPrecision(3)} over ${whole(parity.positions)} positions.</p>`)}`;
}
