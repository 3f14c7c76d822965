import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { shortId } from '../../core/json.ts';
import type { Store } from '../../core/store.ts';
import { runPage } from '../../report/html/run-page.ts';
import { runReport } from '../../report/run-report.ts';
import { privateFolder } from '../../system/files.ts';
import { findRun } from '../find-run.ts';
import type { Output } from '../output.ts';
import { reportStatistics } from '../report-statistics.ts';
import { writePage } from '../write-page.ts';

export interface ReportFlags {
  /** Where the page goes; default: the folder `reports` beside the store. */
  readonly out?: string;
}

/** Writes the report of a run, finished or not, as one HTML file. `id` may be the beginning of an id. */
export function reportCommand(store: Store, id: string, { out }: ReportFlags, output: Output): void {
  const run = findRun(store, id);
  const page = runPage(runReport(store, run, reportStatistics), savedProgram(store, run.id));
  const file = out ?? join(privateFolder(join(dirname(store.name), 'reports')), `${shortId(run.id)}.html`);
  writePage(file, page);
  output.result({ run: run.id, file: resolve(file), bytes: Buffer.byteLength(page) }, () => `Report: ${resolve(file)}`);
}

/** Where `run` saves it; see commands/run.ts. */
function savedProgram(store: Store, run: string): string | null {
  const file = join(dirname(store.name), 'programs', shortId(run), 'program.json');
  return existsSync(file) ? resolve(file) : null;
}
