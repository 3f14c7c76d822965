import { type DataReport, findingKinds, findingsByKind } from '../../core/data-report.ts';
import { InputError } from '../../core/errors.ts';
import type { Notice } from '../../core/notice.ts';

const shown = 20;

/** A test score that was learned by heart must not be reported by accident: throws an InputError that names the rows. */
export function refuseTestLeaks({ findings }: DataReport): void {
  const leaks = findings.filter(({ kind }) => kind === 'test-leak').map(({ fact }) => `${fact}.`);
  if (leaks.length === 0) return;
  const rest = leaks.length > shown ? [`… and ${leaks.length - shown} more.`] : [];
  throw new InputError(
    'test-leak',
    [...leaks.slice(0, shown), ...rest],
    'Keep each of these rows in one split. With --allow-leaks (allowLeaks: true) the run goes on, and its record says that test scores are too good.',
  );
}

/** For the record: how many findings of each kind. A file may be moved and be the same data, so no places. */
export const noticesOfData = (report: DataReport): Notice[] =>
  findingsByKind(report).map(([kind, findings]) => {
    const { title, remedy } = findingKinds[kind];
    return { code: kind, message: `${title}: ${findings.length} (${remedy}).` };
  });
