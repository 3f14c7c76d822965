import type { TestEvaluation } from '../core/store.ts';
import type { TestSummary } from '../core/summary.ts';
import { pairedDifference } from '../evaluate/paired.ts';
import type { Measured } from './measured.ts';

/** What the sealed split says of the chosen candidate; null where it was not opened. `evaluations` are all of the store. */
export function testSummary(
  baseline: Measured,
  chosen: Measured,
  evaluations: readonly TestEvaluation[],
): TestSummary | null {
  if (!baseline.test || !chosen.test) return null;
  const { mean } = chosen.test;
  const examples = chosen.test.rows.map(({ example }) => example.id);
  return {
    gain: chosen.strategy === baseline.strategy ? null : pairedDifference(scoresOf(baseline), scoresOf(chosen)),
    shrinkage: chosen.val?.mean == null || mean === null ? null : chosen.val.mean - mean,
    openings: openingsOf(examples, evaluations),
  };
}

/** A split is its examples, in whatever order. */
function openingsOf(examples: readonly string[], evaluations: readonly TestEvaluation[]): TestSummary['openings'] {
  const split = contentOf(examples);
  const same = evaluations.filter((evaluation) => contentOf(evaluation.examples) === split);
  return { runs: new Set(same.map(({ run }) => run)).size, candidates: same.length };
}

const contentOf = (examples: readonly string[]): string => examples.toSorted().join();
const scoresOf = ({ test }: Measured): number[] => test?.rows.map(({ score }) => score.value) ?? [];
