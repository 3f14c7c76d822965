import { contentId } from '../core/json.ts';
import type { Row } from '../core/metric.ts';
import type { Lesson } from './lesson.ts';

/**
 * Each lesson with the worst failed answer to the same question: of the same example, by the same predictor, from equal inputs. A predictor
 * that answered a failed attempt just as the good one has nothing to reject in it. Lessons without such an answer are no pairs.
 */
export function pairsOf(lessons: readonly Lesson[], failed: ReadonlyMap<string, readonly Row[]>): Lesson[] {
  return lessons.flatMap((lesson) => {
    const rejected = failed
      .get(lesson.example)
      ?.flatMap(({ trace }) => trace)
      .find(
        ({ predictor, inputs, outputs }) =>
          outputs !== null &&
          predictor === lesson.predictor &&
          contentId(inputs) === contentId(lesson.inputs) &&
          contentId(outputs) !== contentId(lesson.outputs),
      )?.outputs;
    return rejected ? [{ ...lesson, rejected }] : [];
  });
}
