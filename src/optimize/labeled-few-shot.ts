import { z } from 'zod';
import type { Candidate, Demo } from '../core/candidate.ts';
import type { OptimizerContext } from '../core/optimizer.ts';
import { count, defineOptimizer } from './define.ts';
import { labelledPools, showingAll, withDemos } from './demos.ts';
import { betterThanStart, comparisonCalls, keepStart, withoutJudging } from './keep-start.ts';

const parameters = z.object({
  /** Demos for each predictor at most. */
  k: count(16),
  /** Drawn at random (each predictor for itself), or the first k of the train set. */
  sample: z.boolean().default(true),
  /** Tokens that demos may take; null: a quarter of the context, at most 600. */
  maxDemoTokens: z.int().positive().nullable().default(null),
  keepStart,
});

/** Puts k labelled train examples into the prompt (DSPy's LabeledFewShot), in place of the demos that were there. */
export const labeledFewShot = defineOptimizer({
  name: 'labeledFewShot',
  kind: 'prompt',
  parameters,
  expectedCalls: (settings, sizes) => (settings.keepStart ? comparisonCalls(sizes) : 0),
  async optimize(settings, parent, context, metric) {
    const made = { candidate: await labelled(parent, settings, context), note: 'labelled demos', metric };
    return settings.keepStart ? betterThanStart(parent, made, context) : withoutJudging(parent, made, context);
  },
});

/** The parent with labelled demos. Without usable labels the demos are empty, and a notice says for which predictor. */
export async function labelled(
  parent: Candidate,
  { k, sample, maxDemoTokens }: Omit<z.output<typeof parameters>, 'keepStart'>,
  context: OptimizerContext,
): Promise<Candidate> {
  const chosen = new Map<string, readonly Demo[]>();
  for (const [name, pool] of labelledPools(context)) {
    if (pool.length === 0 && context.train.length > 0) {
      context.notice({
        code: 'no-labelled-demos',
        message: `The train examples do not hold all fields of the predictor "${name}": it gets no labelled demos.`,
      });
    }
    chosen.set(name, sample ? context.rng.fork(`labelled/${name}`).sample(pool, k) : pool.slice(0, k));
  }
  return withDemos(showingAll(parent), chosen, maxDemoTokens, context);
}
