import type { Recorder } from './recorder.ts';

/** Whether the time of a run is over: looked at between batches, and journaled as soon as it is. */
export interface TimeLimit {
  isOver(): boolean;
}

interface TimeLimitOptions {
  readonly maxMinutes: number | null;
  /** Active minutes of the run so far. */
  minutes(): number;
  readonly recorder: Pick<Recorder, 'record' | 'upcoming'>;
}

/**
 * The clock is asked where the journal ends, and nowhere else: whatever an earlier start has recorded, a resumed one comes to it as that did,
 * at the same look, however long it takes.
 */
export function createTimeLimit({ maxMinutes, minutes, recorder }: TimeLimitOptions): TimeLimit {
  let looks = 0;
  let isOver = false;
  return {
    isOver() {
      if (maxMinutes === null || isOver) return isOver;
      looks++;
      const past = recorder.upcoming();
      isOver = past ? past.type === 'time-over' && past.look === looks : minutes() >= maxMinutes;
      if (isOver) recorder.record({ type: 'time-over', look: looks });
      return isOver;
    },
  };
}
