import { dataReportText } from '../../report/data-report-text.ts';
import { checkData } from '../../run/data-checks/check-data.ts';
import { placedRows } from '../../run/data-checks/placed-rows.ts';
import { readSplits, rowReader } from '../../run/read-data.ts';
import type { Output } from '../output.ts';
import { type RunFlags, readSource } from '../plan-run.ts';

/** Looks at the data of a run without a model; whether a run would accept it. */
export async function checkCommand(file: string | undefined, flags: RunFlags, output: Output): Promise<boolean> {
  const { program, options } = await readSource(file, flags);
  const { valRatio, testRatio, seed } = flags;
  const reader = rowReader(program.structure, options.places);
  const given = { valsetRatio: valRatio, testsetRatio: testRatio, ...options };
  const { splits } = readSplits(reader, seed === undefined ? given : { ...given, seed });
  const report = checkData(placedRows({ splits, overrides: {}, programs: [], places: reader.places }));
  output.result(report, () => dataReportText(report, 20));
  return !report.findings.some(({ kind }) => kind === 'test-leak');
}
