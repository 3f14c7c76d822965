import { shortId } from '../../core/json.ts';
import { pairText } from '../comparison-text.ts';
import { secondsText, strategyName, valueText, whole } from '../figures.ts';
import { type RunComparison, resultOf } from '../run-comparison.ts';
import type { RunReport } from '../run-report.ts';
import { scoreCell } from './cells.ts';
import { type FlipPair, flipsSection, sideOf } from './flips-section.ts';
import { html } from './html.ts';
import { page } from './page.ts';
import type { Section } from './section.ts';
import { table } from './table.ts';

/** Runs beside each other on one page: configuration, results, and the examples on which they differ. */
export function comparisonPage(reports: readonly RunReport[], comparison: RunComparison): string {
  const [first] = reports;
  return page({
    title: `${reports.length} runs: ${reports.map(({ run }) => shortId(run.id)).join(', ')}`,
    lead: comparison.pairs.map((pair) => html`<p class="verdict">${pairText(pair, first?.run.id ?? '')}</p>`),
    sections: [
      configurationSection(comparison),
      resultsSection(comparison),
      flipsSection(flipPairs(reports, comparison), (id) => reports.map(({ example }) => example(id)).find(Boolean)),
    ],
  });
}

const configurationSection = ({ runs, differences }: RunComparison): Section => ({
  id: 'configuration',
  title: 'Configuration',
  body:
    differences.length === 0
      ? html`<p>The experiments are the same.</p>`
      : table({
          caption: 'In what the experiments differ',
          head: ['', ...runs.map(({ run }) => html`<code>${shortId(run)}</code>`)],
          rows: differences.map(
            ({ name, values }) =>
              html`<tr><th scope="row">${name}</th>${values.map((value) => html`<td>${valueText(value)}</td>`)}</tr>`,
          ),
        }),
});

const resultsSection = ({ runs }: RunComparison): Section => ({
  id: 'results',
  title: 'Results',
  body: table({
    caption: 'Scores in % with 95 % intervals',
    head: ['run', 'result', 'val', 'sealed test', 'calls', 'time'],
    rows: runs.map(
      ({ run, strategy, isFinished, val, test, calls, seconds }) =>
        html`<tr><th scope="row"><code>${shortId(run)}</code></th><td>${strategyName(strategy)}${isFinished ? null : ' (not finished)'}</td>${scoreCell(val)}${scoreCell(test)}<td class="number">${whole(calls)}</td><td class="number">${secondsText(seconds)}</td></tr>`,
    ),
  }),
});

function flipPairs(reports: readonly RunReport[], { pairs }: RunComparison): readonly FlipPair[] {
  const [first, ...others] = reports;
  return pairs.flatMap(({ split, flips }, index): FlipPair[] => {
    const other = others[index];
    if (split === null || !first || !other) return [];
    const side = (report: RunReport) => sideOf(report, resultOf(report)?.candidate ?? '', shortId(report.run.id));
    return [{ name: shortId(other.run.id), split, before: side(first), after: side(other), flips }];
  });
}
