import type { Candidate } from '../core/candidate.ts';
import type { Dropped } from '../core/data-set.ts';
import { InputError } from '../core/errors.ts';
import type { Example } from '../core/example.ts';
import type { Fields } from '../core/json.ts';
import type { Metric, Row } from '../core/metric.ts';
import type { OptimizerContext } from '../core/optimizer.ts';
import { type AttemptSettings, type Attempts, makeAttempts } from './attempts.ts';
import type { Lesson } from './lesson.ts';
import { pairsOf } from './pairs.ts';

export interface Lessons {
  readonly lessons: readonly Lesson[];
  readonly dropped: Dropped;
}

export interface LessonSettings extends AttemptSettings {
  readonly rows: 'bootstrapped' | 'labelled' | 'both' | 'distilled' | null;
  readonly method: 'sft' | 'dpo';
}

/**
 * What there is to learn from the train examples: what was got right, the labels, or the labels where nothing was got right. For pairs, each
 * with an answer that failed.
 */
export async function collectLessons(
  parent: Candidate,
  settings: LessonSettings,
  context: OptimizerContext,
  metric: Metric | undefined,
): Promise<Lessons> {
  const { train } = context;
  const labelled = labelledLessons(context);
  const wanted = settings.rows ?? (labelled.size > 0 && labelled.size === train.length ? 'both' : 'bootstrapped');
  if (wanted === 'distilled') return distilledLessons(parent, settings, context);
  const asks = wanted !== 'labelled' || settings.method === 'dpo';
  const { good, failed, dropped } = asks ? await makeAttempts(parent, settings, context, metric) : nothingAsked;
  const isTaught = (id: string) => wanted === 'labelled' || (wanted === 'both' && !good.has(id));
  const lessons = [
    ...(wanted === 'labelled' ? [] : [...good.values()].flatMap((row) => callsOf(row, 'bootstrapped'))),
    ...[...labelled].filter(([id]) => isTaught(id)).map(([, lesson]) => lesson),
  ];
  const notLabelled = train.filter(({ id }) => isTaught(id) && !labelled.has(id)).length;
  const known = { ...dropped, ...(wanted === 'bootstrapped' ? {} : { notLabelled }) };
  if (settings.method === 'sft') return { lessons, dropped: known };
  const pairs = pairsOf(lessons, failed);
  return { lessons: pairs, dropped: { ...known, unpaired: lessons.length - pairs.length } };
}

const nothingAsked: Attempts = { good: new Map(), failed: new Map(), dropped: {} };

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
  const { good, dropped } = await makeAttempts(parent, settings, context, () => true);
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

const callsOf = ({ example, trace }: Row, from: Lesson['from']): Lesson[] =>
  trace.flatMap(({ predictor, inputs, outputs }) =>
    outputs ? [{ predictor, example: example.id, inputs, outputs, from }] : [],
  );
