import type { Optimized, OptimizerContext, WorkSizes } from '../../core/optimizer.ts';
import { rulesToTry } from '../calibrate.ts';
import { createContest, judgedRows } from '../contest.ts';
import { defineOptimizer } from '../define.ts';
import { bestOf } from '../keep-start.ts';
import { createProposer } from '../proposals.ts';
import { createBudget } from './budget.ts';
import { type SimbaSettings, simbaParameters } from './parameters.ts';
import { searchFrom, type Winner } from './search.ts';

/**
 * Learns from examples on which runs of the same programs differ (DSPy's SIMBA, stochastic introspective mini-batch ascent): a child is
 * shown the best run as a demo, or told by the prompt model what the worst run should have done. The best child of each step is judged in
 * the end, on val, and without one on train, as DSPy does; the start is among the judged and wins ties.
 *
 * `details`: `judgedOn`, `bsize`, `proposals`; for each of the `steps` the mean of its sampled runs (`sampled`), the start's mean on the
 * batch (`start`), its children with source, way and mean there (`candidates`), and the `winner`.
 */
export const simba = defineOptimizer({
  name: 'simba',
  kind: 'prompt',
  parameters: simbaParameters,
  expectedCalls,
  async optimize(given, start, context, metric): Promise<Optimized> {
    const settings = { ...given, bsize: Math.min(given.bsize, context.train.length) };
    const contest = createContest(context, start, { ...settings, ...judgedRows(context), metric });
    if (settings.bsize === 0) return bestOf(contest, start, context);
    if (settings.bsize < given.bsize) saySmallBatch(settings, context);
    // `!`: without wanted rules there is exactly one, the start's own.
    const rule = rulesToTry(null, start)[0]!;
    const { leakGuard, maxDemos } = settings;
    const ifUnable = maxDemos > 0 ? {} : { ifUnable: 'without demos there is nothing else to learn by' };
    const proposer = createProposer(context, { leakGuard, ...ifUnable });
    const budget = createBudget({ settings, context, contest, rule });
    const { winners, steps } = await searchFrom(start, { settings, context, metric, proposer, budget, rule });
    const judged = winners.length > 0 ? await contest.enter(start, null, 'start') : null;
    // Without a parent, as it is: on record since it was measured on its batch.
    for (const { candidate, note } of judged ? finalists(winners, settings.numCandidates) : [])
      if (budget.affords({ winners: 0 })) await contest.enter(candidate, null, note);
    const judgedOn = context.val.length > 0 ? 'val' : 'train';
    const details = { judgedOn, bsize: settings.bsize, steps, proposals: proposer.counts() };
    return { ...bestOf(contest, start, context), details };
  },
});

function saySmallBatch({ bsize }: SimbaSettings, { notice }: OptimizerContext): void {
  notice({ code: 'train-is-one-batch', message: `Train has ${bsize} examples: each batch is all of them.` });
}

/** So many winners at most, as evenly over the steps as possible; the last one is always among them. */
function finalists(winners: readonly Winner[], count: number): Winner[] {
  const places = Array.from({ length: count }, (_, index) => Math.round(((index + 1) * winners.length) / count));
  // Place 0 is the start's.
  return [...new Set(places)].filter((place) => place > 0).map((place) => winners[place - 1]!);
}

function expectedCalls(settings: SimbaSettings, { train, val, predictors }: WorkSizes): number {
  const { numCandidates, maxSteps } = settings;
  const bsize = Math.min(settings.bsize, train);
  // Of the children that a step may have, about one half is born with advice.
  const questions = Math.ceil((numCandidates + 1) / 2);
  const measured = numCandidates + 2;
  const finals = (Math.min(maxSteps, numCandidates) + 1) * (val || train);
  return predictors * (maxSteps * ((numCandidates + measured) * bsize + questions) + finals);
}
