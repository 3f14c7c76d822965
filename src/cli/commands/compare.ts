import { resolve } from 'node:path';
import { InputError } from '../../core/errors.ts';
import type { Store } from '../../core/store.ts';
import { comparisonText } from '../../report/comparison-text.ts';
import { comparisonPage } from '../../report/html/comparison-page.ts';
import { compareRuns } from '../../report/run-comparison.ts';
import { runReport } from '../../report/run-report.ts';
import { findRun } from '../find-run.ts';
import type { Output } from '../output.ts';
import { reportStatistics } from '../report-statistics.ts';
import { writePage } from '../write-page.ts';

export interface CompareFlags {
  /** Where to write the comparison as a page. */
  readonly html?: string;
}

/** Compares runs of a store with the first that is named. `ids` may be the beginnings of ids. */
export function compareCommand(store: Store, ids: readonly string[], { html }: CompareFlags, output: Output): void {
  const runs = ids.map((id) => findRun(store, id));
  const different = new Set(runs.map(({ id }) => id));
  if (different.size < 2 || different.size < runs.length)
    throw new InputError(
      'runs-to-compare',
      [different.size < runs.length ? 'A run is named twice.' : 'Only one run is named.'],
      'Name two or more different runs; "better-together runs" lists them.',
    );
  const reports = runs.map((run) => runReport(store, run, reportStatistics));
  const comparison = compareRuns(reports, reportStatistics);
  if (html !== undefined) {
    writePage(html, comparisonPage(reports, comparison));
    output.note(`Comparison: ${resolve(html)}`);
  }
  output.result(comparison, () => comparisonText(comparison));
}
