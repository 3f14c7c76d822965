import { canonicalJson, type Json } from '../../src/core/json.ts';
import type { Metric } from '../../src/core/metric.ts';
import { exactMatch } from '../../src/evaluate/metrics.ts';
import { uniform } from './laboratory-luck.ts';

/** A metric, and the score to expect from it of a program that is right this often. */
export interface Judge {
  readonly metric: Metric;
  expected(chance: number): number;
}

/** The team is right or wrong, and what would have been right. */
export const exactJudge: Judge = { metric: exactMatch('team'), expected: (chance) => chance };

const graded = { right: 0.9, wrong: 0.2 };

/** Grades between 0 and 1; in a share of the rows, others for every prompt, any grade at all. The same row and prompt have the same grade. */
export function noisyJudge(share: number): Judge {
  const right = exactMatch('team');
  return {
    async metric(example, prediction, trace) {
      const judged = await right(example, prediction, trace);
      const feedback = typeof judged === 'object' ? judged.feedback : undefined;
      // `as`: prompts are plain data.
      const asked = canonicalJson(trace.map(({ request }) => request.prompt) as unknown as Json);
      const isNoise = uniform('noise', asked) < share;
      const score = isNoise ? uniform('grade', asked) : feedback === undefined ? graded.right : graded.wrong;
      return feedback === undefined ? { score } : { score, feedback };
    },
    expected: (chance) => (1 - share) * (graded.wrong + chance * (graded.right - graded.wrong)) + share * 0.5,
  };
}
