import type { DataSetSummary } from './data-set.ts';
import type { RunEvent } from './event.ts';

/** A data set of a run: which weight step it was made in, and under which id the store has it. */
export interface StepDataSet extends DataSetSummary {
  readonly step: number;
  /** The step's key in the strategy. */
  readonly key: string;
  readonly id: string;
}

/** The data sets that a run has on record, in order: one for each adapter of each weight step. */
export function dataSetsOf(events: readonly RunEvent[]): StepDataSet[] {
  const keys = new Map(events.flatMap((event) => (event.type === 'step-start' ? [[event.step, event.key]] : [])));
  return events.flatMap((event) =>
    event.type === 'rows-made' && event.summary
      ? [{ step: event.step, key: keys.get(event.step) ?? '', id: event.rows, ...event.summary }]
      : [],
  );
}
