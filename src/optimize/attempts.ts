import type { Candidate } from '../core/candidate.ts';
import type { Dropped } from '../core/data-set.ts';
import { type Metric, passes, type Row } from '../core/metric.ts';
import type { OptimizerContext, Teacher } from '../core/optimizer.ts';

export interface AttemptSettings {
  readonly keep: 'first-good' | 'best-of-n';
  readonly attempts: number;
  readonly temperature: number;
  readonly metricThreshold: number | null;
}

/** By example. */
export interface Attempts {
  /** The one that is kept, of those that pass the metric. */
  readonly good: ReadonlyMap<string, Row>;
  /** Those that do not pass, the worst first. */
  readonly failed: ReadonlyMap<string, readonly Row[]>;
  readonly dropped: Dropped;
}

/**
 * Lets teachers, by default the student, answer the train examples. `first-good`: the first attempt that passes is kept, after which its
 * example is not asked again. `best-of-n`: of all attempts the one with the highest score, ties to the first.
 */
export async function makeAttempts(
  parent: Candidate,
  { keep, attempts, temperature, metricThreshold }: AttemptSettings,
  context: OptimizerContext,
  metric: Metric | undefined,
): Promise<Attempts> {
  const good = new Map<string, Row>();
  const failed = new Map<string, Row[]>();
  let notBest = 0;
  const student: Teacher = { structure: context.structure, candidate: parent };
  const take = (row: Row) => {
    const { id } = row.example;
    const best = good.get(id);
    if (row.failure !== null || !passes(row.score, metricThreshold)) failed.set(id, [...(failed.get(id) ?? []), row]);
    else {
      if (best) notBest++;
      if (row.score.value > (best?.score.value ?? Number.NEGATIVE_INFINITY)) good.set(id, row);
    }
  };
  for (const teacher of context.teachers.length > 0 ? context.teachers : [student]) {
    for (let seed = 0; seed < attempts; seed++) {
      const wanted = keep === 'best-of-n' ? context.train : context.train.filter(({ id }) => !good.has(id));
      const open = withinBudget(wanted, context);
      if (open.length === 0) return attemptsOf(good, failed, notBest);
      const { rows } = await context.evaluate(teacher.candidate, open, {
        structure: teacher.structure,
        attempt: { temperature: seed === 0 ? 0 : temperature, seed },
        leaveOneOut: true,
        ...(metric ? { metric } : {}),
      });
      rows.forEach(take);
    }
  }
  return attemptsOf(good, failed, notBest);
}

function attemptsOf(good: Map<string, Row>, failed: Map<string, Row[]>, notBest: number): Attempts {
  const worstFirst = [...failed].map(([id, rows]): [string, Row[]] => [
    id,
    rows.toSorted((a, b) => a.score.value - b.score.value),
  ]);
  const notGoodEnough = worstFirst.reduce((sum, [, rows]) => sum + rows.length, 0);
  return { good, failed: new Map(worstFirst), dropped: { notGoodEnough, notBest } };
}

function withinBudget<Item>(wanted: readonly Item[], context: OptimizerContext): readonly Item[] {
  const predictors = Object.keys(context.structure.predictors).length;
  const open = wanted.slice(0, Math.max(0, context.callsLeft()) / predictors);
  if (open.length < wanted.length) {
    context.notice({
      code: 'budget-ends-bootstrapping',
      message: `The budget has calls left for ${open.length} of ${wanted.length} attempts: the rows are made of what was found until then.`,
    });
  }
  return open;
}
