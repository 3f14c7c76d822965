import { z } from 'zod';
import { type Candidate, candidateId, type Demo, mapPredictors, showing } from '../core/candidate.ts';
import type { Example } from '../core/example.ts';
import { type Metric, passes, type Row } from '../core/metric.ts';
import type { OptimizerContext, Teacher } from '../core/optimizer.ts';
import type { Rng } from '../core/rng.ts';
import { count, defineOptimizer } from './define.ts';
import { labelledPools, showingAll, withDemos } from './demos.ts';
import { betterThanStart, comparisonCalls, keepStart, withoutJudging } from './keep-start.ts';
import { labelled } from './labeled-few-shot.ts';

/** What bootstrapping itself takes. */
export const bootstrapParameters = z.object({
  /** A trace is kept when its score reaches this; null: when it is above 0. */
  metricThreshold: z.number().nullable().default(null),
  /** Demos that the teacher showed, for each predictor at most. */
  maxBootstrappedDemos: count(4),
  /** Demos in all; what the teacher did not fill comes from labelled examples. */
  maxLabeledDemos: count(16),
  /** Attempts per example; from the second on at temperature 1. */
  maxRounds: z.int().positive().default(1),
  /** Tokens that demos may take; null: a quarter of the context, at most 600. */
  maxDemoTokens: z.int().positive().nullable().default(null),
});

export type BootstrapSettings = z.output<typeof bootstrapParameters>;

/** Fills the prompt with traces that a teacher (by default the student itself) got right, then with labelled examples. */
export const bootstrapFewShot = defineOptimizer({
  name: 'bootstrapFewShot',
  kind: 'prompt',
  parameters: bootstrapParameters.extend({ keepStart }),
  expectedCalls({ maxRounds, ...settings }, sizes) {
    const attempts = expectedAttempts(sizes.train) * maxRounds * sizes.predictors;
    return attempts + (settings.keepStart ? comparisonCalls(sizes) : 0);
  },
  async optimize(settings, parent, context, metric) {
    const candidate = await bootstrapped(parent, settings, context, context.train, metric);
    const made = { candidate, note: 'bootstrapped demos', metric };
    return settings.keepStart ? betterThanStart(parent, made, context) : withoutJudging(parent, made, context);
  },
});

/** Examples asked together while looking for successes: a constant, so that a run makes the same calls whatever its concurrency. */
const batchSize = 8;

/** Two batches give four successes to a student that is right half of the time. */
export const expectedAttempts = (train: number): number => Math.min(train, 2 * batchSize);

/** The parent with bootstrapped and labelled demos. `train` is walked in its order. */
export async function bootstrapped(
  parent: Candidate,
  settings: BootstrapSettings,
  context: OptimizerContext,
  train: readonly Example[],
  metric?: Metric,
): Promise<Candidate> {
  const ordered = { ...context, train };
  const successes = await successfulRows(parent, settings, ordered, metric);
  const used = new Set(successes.map(({ example }) => example.id));
  const demos = new Map<string, readonly Demo[]>();
  for (const [name, pool] of labelledPools(ordered)) {
    const rng = context.rng.fork(`demos/${name}`);
    const shown = successes.flatMap((row) => demoOf(row, name, rng)).slice(0, settings.maxBootstrappedDemos);
    const unused = pool.filter(({ source }) => !used.has(source));
    demos.set(name, [...shown, ...rng.sample(unused, settings.maxLabeledDemos - shown.length)]);
  }
  return withDemos(showingAll(parent), demos, settings.maxDemoTokens, context);
}

/** The first rows in train order that a teacher gets right, as many as may be shown. */
export async function successfulRows(
  parent: Candidate,
  settings: BootstrapSettings,
  context: OptimizerContext,
  metric?: Metric,
): Promise<readonly Row[]> {
  const { maxBootstrappedDemos, maxRounds, metricThreshold } = settings;
  const successes: Row[] = [];
  const predictors = Object.keys(context.structure.predictors).length;
  for (const teacher of await teachersFor(parent, settings, context)) {
    for (let start = 0; start < context.train.length && successes.length < maxBootstrappedDemos; start += batchSize) {
      let open = context.train
        .slice(start, start + batchSize)
        .filter(({ id }) => !successes.some(({ example }) => example.id === id));
      for (let round = 0; round < maxRounds && open.length > 0; round++) {
        // What was found so far are demos too: an optimizer that cannot judge them any more says so itself.
        if (context.callsLeft() < open.length * predictors) return successes.slice(0, maxBootstrappedDemos);
        const attempt = { temperature: round === 0 ? 0 : 1, seed: round };
        const { rows } = await context.evaluate(teacher.candidate, open, {
          structure: teacher.structure,
          attempt,
          leaveOneOut: true,
          ...(metric ? { metric } : {}),
        });
        const right = rows.filter((row) => row.failure === null && passes(row.score, metricThreshold));
        successes.push(...right);
        open = open.filter((example) => !right.some((row) => row.example.id === example.id));
      }
    }
  }
  return successes.slice(0, maxBootstrappedDemos);
}

/** The given teachers, else the student itself; one that has no demos yet is shown labelled ones. Each keeps its own model. */
async function teachersFor(
  parent: Candidate,
  { maxLabeledDemos, maxDemoTokens }: BootstrapSettings,
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

/** What the predictor did in this row; of several calls the last one half of the time, else one of the earlier ones. */
export function demoOf({ example, trace }: Row, predictor: string, rng: Rng): Demo[] {
  const calls = trace.filter((call) => call.predictor === predictor && call.outputs !== null);
  const call = calls.length > 1 && rng.next() < 0.5 ? calls[rng.int(calls.length - 1)] : calls.at(-1);
  return call?.outputs ? [{ inputs: call.inputs, outputs: call.outputs, source: example.id }] : [];
}

/** The parent without any demos: a candidate of every demo search, since demos can hurt. */
export const withoutDemos = (parent: Candidate): Candidate => mapPredictors(parent, (state) => showing(state, []));
