import { type DataReport, findingKinds, findingsByKind } from '../core/data-report.ts';

/** The findings in lines: each kind with its number, its remedy and the first of its findings. */
export function findingLines(report: DataReport, shown = 5): string[] {
  return findingsByKind(report).flatMap(([kind, findings]) => {
    const { title, remedy } = findingKinds[kind];
    const rest = findings.length > shown ? [`  … and ${findings.length - shown} more`] : [];
    return [
      `${title}: ${findings.length} (${remedy})`,
      ...findings.slice(0, shown).map(({ fact }) => `  ${fact}`),
      ...rest,
    ];
  });
}

/** The whole report for a person. */
export function dataReportText(report: DataReport, shown?: number): string {
  const splits = Object.entries(report.splits).flatMap(([name, { rows, labels }]) => [
    `${name}: ${rows} rows`,
    ...Object.entries(labels).map(([field, counts]) => `  ${field}: ${countsText(counts)}`),
  ]);
  const lines = findingLines(report, shown);
  return [...splits, '', ...(lines.length > 0 ? lines : ['Nothing was found that speaks against these rows.'])].join(
    '\n',
  );
}

const countsText = (counts: { readonly [label: string]: number }): string =>
  Object.entries(counts)
    .toSorted(([, a], [, b]) => b - a)
    .map(([label, count]) => `${label} ${count}`)
    .join(', ');
