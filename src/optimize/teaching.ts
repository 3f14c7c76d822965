import { type Candidate, candidateId } from '../core/candidate.ts';
import type { Example } from '../core/example.ts';
import type { Metric, Row } from '../core/metric.ts';
import type { OptimizerContext, Teacher } from '../core/optimizer.ts';
import { labelled } from './labeled-few-shot.ts';

/** Who shows how it is done, and all that they were seen to do: whoever bootstraps from one teaching asks no teacher twice. */
export interface Teaching {
  teachers(): Promise<readonly Teacher[]>;
  /** What a teacher does with these examples, the first time greedily. Null where the calls that are left do not pay for what is not known. */
  attempts(teacher: Teacher, examples: readonly Example[], round: number): Promise<readonly Row[] | null>;
}

interface TeachingSettings {
  readonly maxLabeledDemos: number;
  readonly maxDemoTokens: number | null;
}

/** DSPy teaches each of its candidates with other labelled demos; here all learn from one teaching, and what it costs is paid once. */
export function teachingOf(
  parent: Candidate,
  settings: TeachingSettings,
  context: OptimizerContext,
  metric: Metric | undefined,
): Teaching {
  const known = new Map<string, Row>();
  let teachers: Promise<readonly Teacher[]> | undefined;
  const callsEach = Object.keys(context.structure.predictors).length;
  return {
    // Made when they are first needed: an optimizer that bootstraps nothing has none.
    teachers() {
      teachers ??= teachersFor(parent, settings, context);
      return teachers;
    },
    async attempts({ candidate, structure }, examples, round) {
      const keyOf = ({ id }: Example) => `${candidateId(candidate)}/${round}/${id}`;
      const open = examples.filter((example) => !known.has(keyOf(example)));
      if (context.callsLeft() < open.length * callsEach) return null;
      const attempt = { temperature: round === 0 ? 0 : 1, seed: round };
      const options = { structure, attempt, leaveOneOut: true, ...(metric ? { metric } : {}) };
      const { rows } = open.length === 0 ? { rows: [] } : await context.evaluate(candidate, open, options);
      for (const row of rows) known.set(keyOf(row.example), row);
      // `!`: what was not known was just tried.
      return examples.map((example) => known.get(keyOf(example))!);
    },
  };
}

/** The given teachers, else the student itself; one that has no demos yet is shown labelled ones. Each keeps its own model. */
async function teachersFor(
  parent: Candidate,
  { maxLabeledDemos, maxDemoTokens }: TeachingSettings,
  context: OptimizerContext,
): Promise<Teacher[]> {
  const given: readonly Teacher[] =
    context.teachers.length > 0 ? context.teachers : [{ structure: context.structure, candidate: parent }];
  const hasDemos = ({ candidate }: Teacher) =>
    Object.values(candidate.predictors).some(({ demos }) => demos.length > 0);
  const teachers: Teacher[] = [];
  for (const teacher of given) {
    if (maxLabeledDemos === 0 || hasDemos(teacher)) {
      teachers.push(teacher);
      continue;
    }
    const order = { k: maxLabeledDemos, sample: true, maxDemoTokens };
    const candidate = await labelled(teacher.candidate, order, context);
    if (candidateId(candidate) !== candidateId(teacher.candidate))
      context.propose(candidate, [teacher.candidate], 'teacher with labelled demos');
    teachers.push({ ...teacher, candidate });
  }
  return teachers;
}
