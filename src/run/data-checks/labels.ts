import type { Finding, LabelCounts } from '../../core/data-report.ts';
import { canonicalJson } from '../../core/json.ts';
import { normalized } from '../../core/metric.ts';
import { normalForm } from './normal-form.ts';
import { groupedBy, type PlacedExample, placeText, rowOf } from './placed-example.ts';

/** Outputs with so few values, each for four rows or more in the mean, are labels in the narrow sense; free answers are not. */
const rowsPerLabel = 4;

/** From here on a program that always says the most frequent label looks good. */
const imbalance = 10;

export function labelCounts(rows: readonly PlacedExample[]): LabelCounts {
  const counts = new Map<string, Map<string, number>>();
  for (const { example } of rows)
    for (const [name, value] of Object.entries(example.labels)) {
      const label = normalized(value);
      const ofField = counts.get(name) ?? new Map<string, number>();
      counts.set(name, ofField.set(label, (ofField.get(label) ?? 0) + 1));
    }
  const closed = [...counts].filter(([, values]) => values.size * rowsPerLabel <= rows.length);
  return Object.fromEntries(closed.map(([name, values]) => [name, Object.fromEntries(values)]));
}

/** Outputs of which one label is ten times as frequent as another. */
export const findImbalance = (train: readonly PlacedExample[]): Finding[] =>
  Object.entries(labelCounts(train)).flatMap(([name, values]): Finding[] => {
    const sorted = Object.entries(values).toSorted(([, a], [, b]) => b - a);
    const [most, least] = [sorted[0]!, sorted.at(-1)!];
    if (most[1] < imbalance * least[1]) return [];
    const fact = `${name} is "${most[0]}" in ${most[1]} train rows and "${least[0]}" in ${least[1]}`;
    return [{ kind: 'label-imbalance', rows: [], fact }];
  });

/** Rows with the same inputs that ask for different outputs: whatever is answered, one of them is wrong. */
export function findContradictions(rows: readonly PlacedExample[]): Finding[] {
  const groups = groupedBy(rows, ({ example }) => normalForm(example.inputs).key);
  return [...groups.values()].flatMap((group): Finding[] => {
    const names = [...new Set(group.flatMap(({ example }) => Object.keys(example.labels)))];
    const contradicted = names.filter((name) => differs(group, name));
    if (contradicted.length === 0) return [];
    const values = contradicted.map(
      (name) => `${name} is ${group.map(({ example }) => JSON.stringify(example.labels[name] ?? null)).join(', ')}`,
    );
    const fact = `${group.map(placeText).join(', ')}: the same inputs, but ${values.join('; ')}`;
    return [{ kind: 'contradiction', rows: group.map(rowOf), fact }];
  });
}

function differs(group: readonly PlacedExample[], name: string): boolean {
  const given = group.flatMap(({ example }) => (example.labels[name] === undefined ? [] : [example.labels[name]]));
  return new Set(given.map((value) => normalized(value))).size > 1;
}

/** Rows with nothing to ask, and rows without a label that others have. */
export function findUnlearnable(rows: readonly PlacedExample[]): Finding[] {
  const labelled = [...new Set(rows.flatMap(({ example }) => Object.keys(example.labels)))];
  return rows.flatMap((row): Finding[] => {
    const { inputs, labels } = row.example;
    const isEmpty = Object.values(inputs).every((value) => ['', '""', '[]', '{}', 'null'].includes(trimmed(value)));
    const missing = labelled.filter((name) => labels[name] === undefined || trimmed(labels[name]) === '');
    return [
      ...(isEmpty ? [{ kind: 'empty-input' as const, rows: [rowOf(row)], fact: `${placeText(row)}: no input` }] : []),
      ...(missing.length > 0
        ? [{ kind: 'label-missing' as const, rows: [rowOf(row)], fact: `${placeText(row)}: no ${missing.join(', ')}` }]
        : []),
    ];
  });
}

const trimmed = (value: PlacedExample['example']['inputs'][string]): string =>
  typeof value === 'string' ? value.trim() : canonicalJson(value);
