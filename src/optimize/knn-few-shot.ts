import { z } from 'zod';
import { type Candidate, type Demo, type PredictorState, showing } from '../core/candidate.ts';
import { userText } from '../core/chat-format.ts';
import type { Metric } from '../core/metric.ts';
import type { OptimizerContext } from '../core/optimizer.ts';
import type { Signature } from '../core/signature.ts';
import { bootstrapParameters, demoOf, successfulRows } from './bootstrap-few-shot.ts';
import { defineOptimizer } from './define.ts';
import { demoSizes, labelledPools } from './demos.ts';
import { betterThanStart, comparisonCalls, keepStart, withoutJudging } from './keep-start.ts';
import { teachingOf } from './teaching.ts';

const { metricThreshold, maxRounds, maxLabeledDemos, maxDemoTokens } = bootstrapParameters.shape;

const parameters = z.object({
  /** Demos for each question. */
  k: z.int().positive().default(3),
  /**
   * Null: train examples are shown as they are labelled. Else a teacher, by default the student, tries each of them once, and what it got
   * right is shown as it did it. `{}` has the usual settings; `maxLabeledDemos` are the teacher's own demos.
   */
  fewShotBootstrapArgs: z.strictObject({ metricThreshold, maxRounds, maxLabeledDemos }).nullable().default(null),
  /** Tokens that the demos of one question may take; null: a quarter of the context, at most 600. */
  maxDemoTokens,
  keepStart,
});

type Settings = z.output<typeof parameters>;

/**
 * Shows each question the k train examples that are most like it (DSPy's KNNFewShot), in place of the demos that were there. Alike is what the
 * embeddings of the student's own base say. Examples that come with the same vector are taken in an order drawn with the seed.
 */
export const knnFewShot = defineOptimizer({
  name: 'knnFewShot',
  kind: 'prompt',
  needsEmbeddings: true,
  parameters,
  expectedCalls({ fewShotBootstrapArgs, keepStart: isJudged }, sizes) {
    const attempts = (fewShotBootstrapArgs?.maxRounds ?? 0) * sizes.train * sizes.predictors;
    return attempts + (isJudged ? comparisonCalls(sizes) : 0);
  },
  async optimize(settings, parent, context, metric) {
    const candidate = await withNearest(parent, settings, context, metric);
    const made = { candidate, note: 'nearest demos', metric };
    return settings.keepStart ? betterThanStart(parent, made, context) : withoutJudging(parent, made, context);
  },
});

async function withNearest(
  parent: Candidate,
  settings: Settings,
  context: OptimizerContext,
  metric: Metric | undefined,
): Promise<Candidate> {
  let candidate = parent;
  for (const [name, pool] of await poolsOf(parent, settings, context, metric)) {
    // `!`: pools are the predictors' own.
    const [signature, state] = [context.structure.predictors[name]!, parent.predictors[name]!];
    if (pool.length === 0 && context.train.length > 0) context.notice(noExamples(name));
    const shuffled = context.rng.fork(`pool/${name}`).shuffle(pool);
    const { demos, nearest } = await thatFit(name, signature, state, shuffled, settings, context);
    // Made here, in one go, and remembered.
    const texts = demos.map(({ inputs }) => userText(signature, inputs));
    if (texts.length > 0) await context.embed(state.model.base, texts, 'demos');
    const bare = showing(state, demos);
    const changed = demos.length === 0 ? bare : { ...bare, nearest };
    candidate = { predictors: { ...candidate.predictors, [name]: changed } };
  }
  return candidate;
}

/** For each predictor what may be shown: what teachers got right as they did it, the other examples as they are labelled. */
async function poolsOf(
  parent: Candidate,
  { fewShotBootstrapArgs, maxDemoTokens: most }: Settings,
  context: OptimizerContext,
  metric: Metric | undefined,
): Promise<ReadonlyMap<string, readonly Demo[]>> {
  const labelled = labelledPools(context);
  if (fewShotBootstrapArgs === null) return labelled;
  const all = { ...fewShotBootstrapArgs, maxBootstrappedDemos: Number.POSITIVE_INFINITY, maxDemoTokens: most };
  const successes = await successfulRows(all, context.train, teachingOf(parent, all, context, metric));
  const pools = [...labelled].map(([name, pool]): [string, readonly Demo[]] => {
    const rng = context.rng.fork(`demos/${name}`);
    const shown = successes.flatMap((row) => demoOf(row, name, rng));
    const known = new Set(shown.map(({ source }) => source));
    return [name, [...shown, ...pool.filter(({ source }) => !known.has(source))]];
  });
  return new Map(pools);
}

/** The share of the examples that may be left out for their length before fewer are shown instead. */
const mostLeftOut = 0.1;

/**
 * Whatever is chosen fits: each demo takes no more than its equal part of the room. As many as wanted are shown, unless more than a tenth of
 * the examples would be too long for that.
 */
async function thatFit(
  name: string,
  signature: Signature,
  state: PredictorState,
  pool: readonly Demo[],
  { k, maxDemoTokens: most }: Settings,
  context: OptimizerContext,
): Promise<{ readonly demos: readonly Demo[]; readonly nearest: number }> {
  const { room, sizes } = await demoSizes(signature, state, pool, most, context);
  for (let nearest = k; ; nearest--) {
    const demos = pool.filter((_, index) => sizes[index]! <= room / nearest);
    if (nearest > 1 && demos.length < (1 - mostLeftOut) * pool.length) continue;
    const lost = pool.length - demos.length;
    if (lost > 0 || nearest < k) context.notice(notAll(name, { nearest, k, lost, all: pool.length, room }));
    return { demos, nearest };
  }
}

const notAll = (name: string, counts: { readonly [what in 'nearest' | 'k' | 'lost' | 'all' | 'room']: number }) => ({
  code: 'demos-too-long',
  message: `The demos of "${name}" have ${counts.room} tokens: each question is shown ${counts.nearest} (${counts.k} were wanted), and ${counts.lost} of ${counts.all} examples are never shown for their length.`,
});

const noExamples = (name: string) => ({
  code: 'no-labelled-demos',
  message: `The train examples do not hold all fields of the predictor "${name}": it gets no demos. With fewShotBootstrapArgs: {} it is shown what a teacher got right.`,
});
