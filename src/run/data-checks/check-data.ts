import type { DataReport } from '../../core/data-report.ts';
import { findContradictions, findImbalance, findUnlearnable, labelCounts } from './labels.ts';
import type { PlacedExample } from './placed-example.ts';
import { findRepetitions } from './repetitions.ts';

/** What may be wrong with data, found without a model. Rows come in their order, of whatever split. */
export function checkData(rows: readonly PlacedExample[]): DataReport {
  const of = (split: PlacedExample['split']) => rows.filter((row) => row.split === split);
  const figures = (split: PlacedExample['split']) => ({ rows: of(split).length, labels: labelCounts(of(split)) });
  return {
    splits: { train: figures('train'), val: figures('val'), test: figures('test') },
    findings: [
      ...findUnlearnable(rows),
      ...findImbalance(of('train')),
      ...findContradictions(rows),
      ...findRepetitions(rows),
    ],
  };
}
