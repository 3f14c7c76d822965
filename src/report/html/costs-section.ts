import { secondsText, whole } from '../figures.ts';
import type { RunReport } from '../run-report.ts';
import type { PartCost } from '../step-costs.ts';
import { type Html, html } from './html.ts';
import type { Section } from './section.ts';
import { table } from './table.ts';

const head = [
  'part',
  'examples evaluated',
  'calls made',
  'prompt tokens',
  'of them cached',
  'completion tokens',
  'time',
];

/** What the baseline, each step and the test cost. */
export const costsSection = ({ costs, summary, starts }: RunReport): Section => ({
  id: 'costs',
  title: 'Costs',
  body: html`${table({
    caption: 'What each part of the run made itself',
    head,
    rows: [...costs.map(costRow), costRow(total(costs))],
  })}
<p class="muted">Calls that were remembered cost nothing and are not counted here${summary ? `: of ${whole(summary.calls.requested)} requests ${whole(summary.calls.remembered)} were` : ''}. Time is active time, in ${starts.length} start${starts.length === 1 ? '' : 's'}; what a start after an interruption repeats from memory counts to where it went on.</p>`,
});

const costRow = (cost: PartCost): Html =>
  html`<tr><th scope="row">${cost.part}</th>${[cost.evaluated, cost.calls, cost.promptTokens, cost.cachedPromptTokens, cost.completionTokens].map((count) => html`<td class="number">${whole(count)}</td>`)}<td class="number">${secondsText(cost.seconds)}</td></tr>`;

const total = (costs: readonly PartCost[]): PartCost =>
  costs.reduce(
    (sum, cost) => ({
      part: 'in all',
      evaluated: sum.evaluated + cost.evaluated,
      calls: sum.calls + cost.calls,
      promptTokens: sum.promptTokens + cost.promptTokens,
      cachedPromptTokens: sum.cachedPromptTokens + cost.cachedPromptTokens,
      completionTokens: sum.completionTokens + cost.completionTokens,
      seconds: sum.seconds + cost.seconds,
    }),
    { part: '', evaluated: 0, calls: 0, promptTokens: 0, cachedPromptTokens: 0, completionTokens: 0, seconds: 0 },
  );
