import type { TrainingRow } from '../core/data-set.ts';
import type { Fields } from '../core/json.ts';

/** One answered call, known to be right, that the model is to learn. */
export interface Lesson extends Pick<TrainingRow, 'predictor' | 'example' | 'from'> {
  readonly inputs: Fields;
  readonly outputs: Fields;
  /** Of a pair: the answer that this one is to gain on. */
  readonly rejected?: Fields;
}
