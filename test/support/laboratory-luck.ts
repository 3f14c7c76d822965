import { textId } from '../../src/core/json.ts';
import type { Sampling } from '../../src/core/lm.ts';

/** A number in [0, 1) that follows from the texts alone: luck without a state, so that equal requests are equally lucky. */
export const uniform = (...texts: readonly string[]): number =>
  Number.parseInt(textId(texts.join('\n')).slice(0, 13), 16) / 16 ** 13;

/** What makes two samples of one question differ: nothing at temperature 0. */
export const drawOf = ({ temperature, seed }: Sampling): string =>
  temperature === 0 ? 'greedy' : `${temperature}/${seed}`;
