import { shortId } from '../../core/json.ts';
import { percent } from '../figures.ts';
import { promptDiff } from '../prompt-diff.ts';
import { promptText } from '../prompt-text.ts';
import type { RunReport } from '../run-report.ts';
import type { TriedCandidate } from '../tried-candidates.ts';
import { diffMarkup } from './diff-markup.ts';
import { type Html, html } from './html.ts';
import { searchChart } from './search-chart.ts';
import type { Section } from './section.ts';
import { table } from './table.ts';

/** Every candidate with its score on val, and how its prompt differs from the one that it was made from. */
export function candidatesSection(report: RunReport): Section {
  const { candidates } = report;
  const scored = candidates.filter(({ val }) => val !== null);
  return {
    id: 'candidates',
    title: 'Candidates',
    body: html`${searchChart(candidates)}
${table({
  caption: `${candidates.length} candidates, ${scored.length} of them scored on val (in %, 95 % intervals)`,
  head: ['number', 'candidate', 'step', 'what was tried', 'val', 'low', 'high', 'examples'],
  rows: candidates.map(candidateRow),
  isSortable: true,
})}
<h3>Prompts</h3>
<p>The prompt of each candidate, as a difference from its first parent where it has one: <ins>new</ins>, <del>gone</del>.</p>
${promptList(report)}`,
  };
}

function candidateRow({ number, id, step, note, val }: TriedCandidate): Html {
  const figures = val ? [percent(val.mean), percent(val.low), percent(val.high), String(val.n)] : ['–', '–', '–', '–'];
  return html`<tr><td class="number">${number}</td><td><a href="#candidate-${shortId(id)}"><code>${shortId(id)}</code></a></td><td class="number">${step}</td><td>${note}</td>${figures.map((figure) => html`<td class="number">${figure}</td>`)}</tr>`;
}

function promptList({ candidates, experiment, path }: RunReport): readonly Html[] {
  const known = new Map(candidates.map((one) => [one.id, one]));
  const results = new Set(path.map(({ candidate }) => candidate));
  const text = ({ candidate }: TriedCandidate) => promptText(experiment.predictors, candidate);
  return candidates.map((one) => {
    const parent = known.get(one.parents[0] ?? '');
    const score = one.val ? `, val ${percent(one.val.mean)} %` : '';
    return html`<details id="candidate-${shortId(one.id)}"><summary><code>${shortId(one.id)}</code> ${one.note}${score}${results.has(one.id) ? html` <span class="tag">result of a step</span>` : null}</summary>
${
  parent
    ? html`<p>From <a href="#candidate-${shortId(parent.id)}"><code>${shortId(parent.id)}</code></a> ${parent.note}:</p>${diffMarkup(promptDiff(text(parent), text(one)))}`
    : html`<pre dir="auto">${text(one)}</pre>`
}</details>`;
  });
}
