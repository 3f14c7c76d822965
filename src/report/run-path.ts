import type { RunEvent } from '../core/event.ts';
import type { ScoreInterval } from '../core/summary.ts';
import type { EvaluatedRows } from './evaluated-rows.ts';
import { compareRows, type RowComparison } from './flips.ts';
import type { Statistics } from './statistics.ts';

/** One point of a run's path: the baseline, or a step that ended. */
export interface PathPoint {
  /** 0 is the baseline. */
  readonly step: number;
  readonly key: string;
  readonly optimizer: string;
  /** The steps up to here; empty for the baseline. */
  readonly strategy: string;
  /** The candidate that it started from, and the one that it came to. */
  readonly from: string | null;
  readonly candidate: string;
  readonly val: ScoreInterval | null;
  readonly test: ScoreInterval | null;
  /** Against the candidate that the step started from; null for the baseline and without a val split. */
  readonly onVal: RowComparison | null;
  /** Against the baseline; null for the baseline and where the test split was not opened. */
  readonly onTest: RowComparison | null;
  readonly isChosen: boolean;
}

export interface FailedStep {
  readonly step: number;
  readonly key: string;
  readonly optimizer: string;
  readonly code: string;
  readonly message: string;
}

/** The path of a run as far as it came. */
export function pathOf(
  events: readonly RunEvent[],
  baseline: string,
  rows: EvaluatedRows,
  statistics: Statistics,
): readonly PathPoint[] {
  const chosen = events.findLast((event) => event.type === 'chosen')?.strategy ?? null;
  const starts = startsOf(events);
  const interval = (split: 'val' | 'test', candidate: string) =>
    statistics.interval(rows(split, candidate).map(({ score }) => score));
  const compared = (split: 'val' | 'test', from: string | null, candidate: string): RowComparison | null => {
    if (from === null) return null;
    const comparison = compareRows(rows(split, from), rows(split, candidate), statistics);
    return comparison.shared === 0 ? null : comparison;
  };
  const point = (
    place: Pick<PathPoint, 'step' | 'key' | 'optimizer' | 'strategy' | 'from' | 'candidate'>,
  ): PathPoint => ({
    ...place,
    val: interval('val', place.candidate),
    test: interval('test', place.candidate),
    onVal: compared('val', place.from, place.candidate),
    onTest: compared('test', place.step === 0 ? null : baseline, place.candidate),
    isChosen: place.strategy === chosen,
  });
  const first = point({ step: 0, key: '', optimizer: '', strategy: '', from: null, candidate: baseline });
  const steps = events.flatMap((event) => {
    if (event.type !== 'step-end') return [];
    const { step, key, strategy, to } = event;
    const start = starts.get(step);
    return [
      point({ step, key, optimizer: start?.optimizer ?? '', strategy, from: start?.from ?? null, candidate: to }),
    ];
  });
  return [first, ...steps];
}

export function failedSteps(events: readonly RunEvent[]): readonly FailedStep[] {
  const starts = startsOf(events);
  return events.flatMap((event) =>
    event.type === 'step-failed'
      ? [
          {
            step: event.step,
            key: event.key,
            optimizer: starts.get(event.step)?.optimizer ?? '',
            code: event.code,
            message: event.message,
          },
        ]
      : [],
  );
}

const startsOf = (events: readonly RunEvent[]) =>
  new Map(events.flatMap((event) => (event.type === 'step-start' ? [[event.step, event] as const] : [])));
