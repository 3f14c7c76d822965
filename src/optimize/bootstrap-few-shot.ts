import { z } from 'zod';
import { type Candidate, type Demo, mapPredictors, showing } from '../core/candidate.ts';
import type { Example } from '../core/example.ts';
import { passes, type Row } from '../core/metric.ts';
import type { OptimizerContext } from '../core/optimizer.ts';
import type { Rng } from '../core/rng.ts';
import { count, defineOptimizer } from './define.ts';
import { labelledPools, showingAll, withDemos } from './demos.ts';
import { betterThanStart, comparisonCalls, keepStart, withoutJudging } from './keep-start.ts';
import { type Teaching, teachingOf } from './teaching.ts';

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
    const candidate = await bootstrapped(parent, settings, context, teachingOf(parent, settings, context, metric));
    const made = { candidate, note: 'bootstrapped demos', metric };
    return settings.keepStart ? betterThanStart(parent, made, context) : withoutJudging(parent, made, context);
  },
});

/** As many give four successes to a student that is right half of the time. */
export const expectedAttempts = (train: number): number => Math.min(train, 8);

/** Examples asked together at most, while looking for successes. */
const mostTogether = 32;

/** The parent with bootstrapped and labelled demos. `context.train` is walked in its order. */
export async function bootstrapped(
  parent: Candidate,
  settings: BootstrapSettings,
  context: OptimizerContext,
  teaching: Teaching,
): Promise<Candidate> {
  const successes = await successfulRows(settings, context.train, teaching);
  const used = new Set(successes.map(({ example }) => example.id));
  const demos = new Map<string, readonly Demo[]>();
  for (const [name, pool] of labelledPools(context)) {
    const rng = context.rng.fork(`demos/${name}`);
    const shown = successes.flatMap((row) => demoOf(row, name, rng)).slice(0, settings.maxBootstrappedDemos);
    const unused = pool.filter(({ source }) => !used.has(source));
    demos.set(name, [...shown, ...rng.sample(unused, settings.maxLabeledDemos - shown.length)]);
  }
  return withDemos(showingAll(parent), demos, settings.maxDemoTokens, context);
}

/** The first rows in train order that a teacher gets right, as many as may be shown, or as the budget lets it find. */
export async function successfulRows(
  { maxBootstrappedDemos, maxRounds, metricThreshold }: BootstrapSettings,
  train: readonly Example[],
  { teachers, attempts }: Teaching,
): Promise<readonly Row[]> {
  const successes: Row[] = [];
  for (const teacher of await teachers()) {
    let next = 0;
    while (next < train.length && successes.length < maxBootstrappedDemos) {
      // No more than are still wanted: another success would be thrown away, and what it cost with it.
      const batch = train.slice(next, next + Math.min(mostTogether, maxBootstrappedDemos - successes.length));
      next += batch.length;
      let open = batch.filter(({ id }) => !successes.some(({ example }) => example.id === id));
      for (let round = 0; round < maxRounds && open.length > 0; round++) {
        const rows = await attempts(teacher, open, round);
        // What was found so far are demos too: an optimizer that cannot judge them any more says so itself.
        if (rows === null) return successes;
        const right = rows.filter((row) => row.failure === null && passes(row.score, metricThreshold));
        successes.push(...right);
        open = open.filter((example) => !right.some((row) => row.example.id === example.id));
      }
    }
  }
  return successes;
}

/** What the predictor did in this row; of several calls the last one half of the time, else one of the earlier ones. */
export function demoOf({ example, trace }: Row, predictor: string, rng: Rng): Demo[] {
  const calls = trace.filter((call) => call.predictor === predictor && call.outputs !== null);
  const call = calls.length > 1 && rng.next() < 0.5 ? calls[rng.int(calls.length - 1)] : calls.at(-1);
  return call?.outputs ? [{ inputs: call.inputs, outputs: call.outputs, source: example.id }] : [];
}

/** The parent without any demos: a candidate of every demo search, since demos can hurt. */
export const withoutDemos = (parent: Candidate): Candidate => mapPredictors(parent, (state) => showing(state, []));
