import { existsSync } from 'node:fs';
import pc from 'picocolors';
import type { DataSetRow } from '../../core/data-set.ts';
import { InputError } from '../../core/errors.ts';
import { shortId } from '../../core/json.ts';
import { dataSetsOf, type StepDataSet } from '../../core/step-data-set.ts';
import type { Store } from '../../core/store.ts';
import { chatJsonl } from '../../report/chat-rows.ts';
import { dataSetLines, maskText, rejectedText } from '../../report/data-set-text.ts';
import { writePrivately } from '../../system/files.ts';
import { findRun } from '../find-run.ts';
import type { Output } from '../output.ts';

export interface RowsFlags {
  /** Only the data sets of this step. */
  readonly step?: number;
  /** Where to write the rows as chat JSONL. */
  readonly jsonl?: string;
  readonly mask: boolean;
  /** Which row is shown, from 1 over all of the data sets; default 1. */
  readonly row?: number;
}

interface FoundRow extends DataSetRow {
  readonly step: number;
  readonly key: string;
}

/** What the weight steps of a run were trained on: in figures, as chat JSONL, or one row with its trained tokens marked. */
export function rowsCommand(store: Store, id: string, flags: RowsFlags, output: Output): void {
  requireOneForm(flags);
  const run = findRun(store, id).id;
  const dataSets = selected(store, run, flags);
  if (flags.jsonl !== undefined) exportRows(rowsOf(store, run, dataSets), flags.jsonl, output);
  else if (flags.mask) showMask(rowsOf(store, run, dataSets), flags.row ?? 1, output);
  else listDataSets(run, dataSets, output);
}

function requireOneForm({ jsonl, mask, row }: RowsFlags): void {
  const mistakes = [
    ...(mask && jsonl !== undefined ? ['--mask stands beside --jsonl.'] : []),
    ...(row !== undefined && !mask ? ['--row says which row --mask shows, and there is no --mask.'] : []),
  ];
  if (mistakes.length > 0) throw new InputError('rows-flags', mistakes, 'Give --jsonl FILE, or --mask with --row N.');
}

function selected(store: Store, run: string, { step }: RowsFlags): readonly StepDataSet[] {
  const all = dataSetsOf(store.events(run));
  const chosen = step === undefined ? all : all.filter((dataSet) => dataSet.step === step);
  if (step === undefined || chosen.length > 0) return chosen;
  const steps = [...new Set(all.map((dataSet) => dataSet.step))];
  throw new InputError(
    'step-without-rows',
    [`Step ${step} of run ${shortId(run)} has no data set.`],
    steps.length > 0 ? `Steps that have one: ${steps.join(', ')}.` : noDataSet,
  );
}

const noDataSet = 'Only weight steps have data sets, from the moment at which their rows are made.';

function listDataSets(run: string, dataSets: readonly StepDataSet[], output: Output): void {
  output.result({ run, dataSets }, () =>
    dataSets.length === 0 ? `Run ${shortId(run)} has no data set. ${noDataSet}` : dataSets.map(dataSetText).join('\n'),
  );
}

const dataSetText = (dataSet: StepDataSet): string =>
  [
    `step ${dataSet.step} (${dataSet.key}): data set ${shortId(dataSet.id)}`,
    ...dataSetLines(dataSet).map((line) => `  ${line}`),
  ].join('\n');

function rowsOf(store: Store, run: string, dataSets: readonly StepDataSet[]): readonly FoundRow[] {
  if (dataSets.length === 0) throw new InputError('no-data-set', [`Run ${shortId(run)} has no data set.`], noDataSet);
  return dataSets.flatMap(({ id, step, key }) => {
    const found = store.dataSet(id);
    if (!found) throw new TypeError(`Data set ${id} is on record and not in ${store.name}`);
    return found.rows.map((row) => ({ ...row, step, key }));
  });
}

function exportRows(rows: readonly FoundRow[], file: string, output: Output): void {
  if (existsSync(file))
    throw new InputError('file-exists', [`${file} is there already, and is left as it is.`], 'Name another file.');
  writePrivately(file, chatJsonl(rows));
  output.result({ file, rows: rows.length }, () => `${rows.length} rows in ${file}`);
}

function showMask(rows: readonly FoundRow[], number: number, output: Output): void {
  const row = rows[number - 1];
  if (!row)
    throw new InputError('row-unknown', [`There is no row ${number}.`], `Rows are numbered from 1 to ${rows.length}.`);
  const { step, key, predictor, example, from, label, promptIds, completionIds, texts } = row;
  const { rejectedIds, rejectedTexts = [] } = row;
  const ids = [...promptIds, ...completionIds];
  const tokens = ids.map((id, index) => ({ id, text: texts[index]!, trained: index >= promptIds.length }));
  const rejected = rejectedIds?.map((id, index) => ({ id, text: rejectedTexts[index]!, trained: true }));
  const document = { row: number, step, key, predictor, example, from, label, tokens, ...(rejected && { rejected }) };
  const against = rejectedText(row, mark);
  output.result(document, () =>
    [
      `row ${number} of ${rows.length}: step ${step} (${key}), predictor ${predictor}, ${from} from example ${shortId(example)}`,
      `${completionIds.length} of ${ids.length} tokens are trained, each of them between ${mark('such marks')}:`,
      '',
      maskText(row, mark),
      ...(against === null ? [] : ['', 'and it is to gain on this answer:', '', against]),
    ].join('\n'),
  );
}

const mark = (text: string): string => {
  const marked = `⟦${text}⟧`;
  return process.stdout.isTTY ? pc.inverse(marked) : marked;
};
