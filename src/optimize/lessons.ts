import type { Candidate } from '../core/candidate.ts';
import type { Dropped, TrainingRow } from '../core/data-set.ts';
import { InputError } from '../core/errors.ts';
import type { Example } from '../core/example.ts';
import type { Fields } from '../core/json.ts';
import { type Metric, passes, type Row } from '../core/metric.ts';
import type { OptimizerContext, Teacher } from '../core/optimizer.ts';

/** One answered call, known to be right, that the model is to learn. */
export interface Lesson extends Pick<TrainingRow, 'predictor' | 'example' | 'from'> {
  readonly inputs: Fields;
  readonly outputs: Fields;
}

export interface Lessons {
  readonly lessons: readonly Lesson[];
  readonly dropped: Dropped;
}

export interface LessonSettings {
  readonly rows: 'bootstrapped' | 'labelled' | 'both' | 'distilled' | null;
  readonly keep: 'first-good' | 'best-of-n';
  readonly attempts: number;
  readonly temperature: number;
  readonly metricThreshold: number | null;
}

/** What there is to learn from the train examples: what was got right, the labels, or the labels where nothing was got right. */
export async function collectLessons(
  parent: Candidate,
  settings: LessonSettings,
  context: OptimizerContext,
  metric: Metric | undefined,
): Promise<Lessons> {
  const { train } = context;
  const labelled = labelledLessons(context);
  const wanted = settings.rows ?? (labelled.size > 0 && labelled.size === train.length ? 'both' : 'bootstrapped');
  if (wanted === 'labelled')
    return { lessons: [...labelled.values()], dropped: { notLabelled: train.length - labelled.size } };
  if (wanted === 'distilled') return distilledLessons(parent, settings, context);
  const { good, dropped } = await goodAttempts(parent, settings, context, metric);
  const learned = [...good.values()].flatMap((row) => callsOf(row, 'bootstrapped'));
  if (wanted === 'bootstrapped') return { lessons: learned, dropped };
  const taught = [...labelled].filter(([id]) => !good.has(id)).map(([, lesson]) => lesson);
  const notLabelled = train.filter(({ id }) => !good.has(id) && !labelled.has(id)).length;
  return { lessons: [...learned, ...taught], dropped: { ...dropped, notLabelled } };
}

/** What teachers answer, taken as it is: a metric that compares with labels has nothing to say about examples without any. */
async function distilledLessons(
  parent: Candidate,
  settings: LessonSettings,
  context: OptimizerContext,
): Promise<Lessons> {
  if (context.teachers.length === 0)
    throw new InputError(
      'teacher-missing',
      ['rows: "distilled" learns what a teacher answers, and there is none.'],
      'Give a teacher (--teacher, or the option teacher), or choose rows: "bootstrapped".',
    );
  const { good, dropped } = await goodAttempts(parent, settings, context, () => true);
  return { lessons: [...good.values()].flatMap((row) => callsOf(row, 'distilled')), dropped };
}

/** By example: the lesson that its labels hold. Only a program of one predictor can be taught from labels alone. */
function labelledLessons({ structure, train }: OptimizerContext): ReadonlyMap<string, Lesson> {
  const [only, ...others] = Object.entries(structure.predictors);
  if (!only || others.length > 0) return new Map();
  const [predictor, { outputFields }] = only;
  const complete = train.filter(({ labels }) => outputFields.every(({ name }) => labels[name] !== undefined));
  // What else a metric may look at is no part of an answer.
  const answer = ({ labels }: Example): Fields =>
    Object.fromEntries(outputFields.map(({ name }) => [name, labels[name]!]));
  return new Map(
    complete.map((example) => {
      const { id, inputs } = example;
      return [id, { predictor, example: id, inputs, outputs: answer(example), from: 'labelled' }];
    }),
  );
}

/**
 * By example: the attempt that is kept, of those that pass the metric. `first-good`: the first, after which the example is not asked again.
 * `best-of-n`: of all attempts the one with the highest score, ties to the first.
 */
async function goodAttempts(
  parent: Candidate,
  { keep, attempts, temperature, metricThreshold }: LessonSettings,
  context: OptimizerContext,
  metric: Metric | undefined,
): Promise<{ readonly good: ReadonlyMap<string, Row>; readonly dropped: Dropped }> {
  const good = new Map<string, Row>();
  let notGoodEnough = 0;
  let notBest = 0;
  const predictors = Object.keys(context.structure.predictors).length;
  const student: Teacher = { structure: context.structure, candidate: parent };
  for (const teacher of context.teachers.length > 0 ? context.teachers : [student]) {
    for (let seed = 0; seed < attempts; seed++) {
      const wanted = keep === 'best-of-n' ? context.train : context.train.filter(({ id }) => !good.has(id));
      const open = wanted.slice(0, Math.max(0, context.callsLeft()) / predictors);
      if (open.length < wanted.length) sayThatTheBudgetEnds(context, open.length, wanted.length);
      if (open.length === 0) return { good, dropped: { notGoodEnough, notBest } };
      const attempt = { temperature: seed === 0 ? 0 : temperature, seed };
      const { rows } = await context.evaluate(teacher.candidate, open, {
        structure: teacher.structure,
        attempt,
        leaveOneOut: true,
        ...(metric ? { metric } : {}),
      });
      for (const row of rows) {
        const best = good.get(row.example.id);
        const isGood = row.failure === null && passes(row.score, metricThreshold);
        if (!isGood) notGoodEnough++;
        else if (best) notBest++;
        if (isGood && row.score.value > (best?.score.value ?? Number.NEGATIVE_INFINITY)) good.set(row.example.id, row);
      }
    }
  }
  return { good, dropped: { notGoodEnough, notBest } };
}

const sayThatTheBudgetEnds = ({ notice }: OptimizerContext, asked: number, wanted: number): void =>
  notice({
    code: 'budget-ends-bootstrapping',
    message: `The budget has calls left for ${asked} of ${wanted} attempts: the rows are made of what was found until then.`,
  });

const callsOf = ({ example, trace }: Row, from: Lesson['from']): Lesson[] =>
  trace.flatMap(({ predictor, inputs, outputs }) =>
    outputs ? [{ predictor, example: example.id, inputs, outputs, from }] : [],
  );
