import { contentId, type Fields } from './json.ts';

/** One case of a data set. Its id comes from its content, so that a split never depends on row numbers. */
export interface Example {
  readonly id: string;
  readonly inputs: Fields;
  /** What the outputs should be, as far as it is known. */
  readonly labels: Fields;
}

export function example(inputs: Fields, labels: Fields = {}): Example {
  return { id: contentId({ inputs, labels }), inputs, labels };
}

/** The data of a run. `test` is sealed: no optimizer ever sees it. */
export interface Splits {
  readonly train: readonly Example[];
  readonly val: readonly Example[];
  readonly test: readonly Example[];
}

export type SplitName = keyof Splits;
