import { shortId } from '../../core/json.ts';
import { differenceText, strategyName } from '../figures.ts';
import type { PathPoint } from '../run-path.ts';
import type { RunReport } from '../run-report.ts';
import { scoreCell } from './cells.ts';
import { type Html, html } from './html.ts';
import { scoreChart } from './score-chart.ts';
import type { Section } from './section.ts';
import { table } from './table.ts';

/** What each step came to, and what it has over the candidate that it started from. */
export function pathSection({ path, failed, summary }: RunReport): Section {
  return {
    id: 'path',
    title: 'Path',
    body: html`
${summary === null ? html`<p class="warning">This run is not finished: the same command again goes on from here.</p>` : null}
${scoreChart(path)}
${table({
  caption: 'Scores in % with 95 % intervals, and what each step has over its start on the same examples',
  head: ['strategy', 'candidate', 'val', 'sealed test', 'gain on val', 'won', 'lost', 'by chance'],
  rows: path.map(pathRow),
})}
<p class="muted">Gain: the mean difference on the examples that both were measured on. By chance: how often a difference at least as large comes about where there is none. The test split is opened once, after the choice.</p>
${testText(path)}
${failed.map(({ step, key, optimizer, code, message }) => html`<p class="warning">Step ${step} (${key}, ${optimizer}) failed (${code}): ${message}</p>`)}`,
  };
}

function pathRow(point: PathPoint): Html {
  const { strategy, optimizer, candidate, val, test, onVal, isChosen } = point;
  const paired = onVal?.paired ?? null;
  return html`<tr${isChosen ? html` class="chosen"` : null}><th scope="row">${strategyName(strategy)}${isChosen ? html` <span class="tag">chosen</span>` : null}${optimizer === '' ? null : html`<br><span class="muted">${optimizer}</span>`}</th><td><a href="#candidate-${shortId(candidate)}"><code>${shortId(candidate)}</code></a></td>${scoreCell(val)}${scoreCell(test)}${
    paired
      ? html`<td class="number">${differenceText(paired)}</td><td class="number">${paired.won}</td><td class="number">${paired.lost}</td><td class="number">${paired.chance.toFixed(3)}</td>`
      : html`<td class="muted number">–</td><td class="muted number">–</td><td class="muted number">–</td><td class="muted number">–</td>`
  }</tr>`;
}

/** The claim of a run: what its chosen program has over the baseline on data that no step saw. */
function testText(path: readonly PathPoint[]): Html | null {
  const chosen = path.find(({ isChosen, onTest }) => isChosen && onTest !== null);
  const paired = chosen?.onTest?.paired;
  if (!chosen || !paired) return null;
  return html`<p>On the sealed test, example by example, ${strategyName(chosen.strategy)} has ${differenceText(paired)} points over the baseline: ${paired.won} examples won, ${paired.lost} lost, by chance ${paired.chance.toFixed(3)}.</p>`;
}
