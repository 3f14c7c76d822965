import { candidateId } from '../../core/candidate.ts';
import type { Json } from '../../core/json.ts';
import type { Optimized, OptimizerContext } from '../../core/optimizer.ts';
import { defineOptimizer } from '../define.ts';
import { sayThatTheBudgetEnds, sayThatTheStartIsKept } from '../notices.ts';
import { createProposer, type Proposer } from '../proposals.ts';
import { expectedRequests, metricCallBudget, requireOneBudget } from './budget.ts';
import { bestOf, meanOf, rowFronts } from './front.ts';
import { createMeter, type Meter } from './meter.ts';
import { gepaParameters } from './parameters.ts';
import { type Ending, type Found, searchFrom } from './search.ts';

/**
 * Rewrites instructions by reflection (Agrawal et al., arXiv 2507.19457; gepa 0.1.4 behind DSPy's GEPA): a member of a pool is run on a few
 * train examples, the prompt model reads what it did there and what the metric said, and the child it writes joins the pool when it beats
 * its parent on these examples. Who is the best on some val row may be a parent; two of them may be merged. Demos and weights stay.
 *
 * Returns the candidate with the highest mean on val, the start where none is better. `details`: `candidates` by id, and by position there
 * `parents`, `valAggregateScores`, `valSubscores` (a score for each val row), `discoveryEvalCounts` (metric calls before each was found);
 * `perValInstanceBestCandidates` (for each val row the positions of the best); `totalMetricCalls`, `numFullValEvals`, `proposals`, `merges`.
 */
export const gepa = defineOptimizer({
  name: 'gepa',
  kind: 'prompt',
  parameters: gepaParameters,
  check: requireOneBudget,
  expectedCalls: expectedRequests,
  async optimize(settings, parent, context, metric): Promise<Optimized> {
    const { train, val, structure } = context;
    const predictors = Object.keys(structure.predictors).length;
    const budget = metricCallBudget(settings, { train: train.length, val: val.length, predictors });
    if (train.length === 0) {
      sayThatTheStartIsKept(context, 'there are no train examples to learn from');
      return { candidate: parent, trials: [] };
    }
    if (val.length === 0)
      context.notice({
        code: 'train-serves-as-val',
        message: 'There are no val rows: candidates are measured on train.',
      });
    const meter = createMeter(context, budget, metric);
    const proposer = createProposer(context, {
      leakGuard: settings.leakGuard,
      ifUnable: 'the search ends here',
    });
    const judged = val.length > 0 ? val : train;
    const { found, ending } = await searchFrom(parent, { settings, context, val: judged, meter, proposer });
    sayHowItEnded(found, ending, context);
    const best = found.pool[bestOf(found.pool.map(({ scores }) => scores))];
    return {
      candidate: best?.candidate ?? parent,
      trials: found.trials,
      details: detailsOf(found, meter, proposer),
    };
  },
});

/** A search that comes to the end of its own budget after trying something ends as it should: then there is nothing to say. */
function sayHowItEnded({ pool, trials }: Found, ending: Ending, context: OptimizerContext): void {
  const { notice } = context;
  const others = Math.max(0, trials.length - 1);
  if (ending === 'run-budget' || (ending === 'search-budget' && others === 0)) sayThatTheBudgetEnds(context, others);
  if (ending === 'run-dry')
    notice({
      code: 'proposals-run-dry',
      message: `The prompt model wrote nothing new any more: the search ends after ${others} other candidates.`,
    });
  if (ending === 'faultless')
    notice({
      code: 'nothing-to-reflect-on',
      message: `There are no faults left on train to learn from: the search ends after ${others} other candidates.`,
    });
  const isStartBest = bestOf(pool.map(({ scores }) => scores)) <= 0;
  if (isStartBest) sayThatTheStartIsKept(context, reasonToKeep(others, ending));
}

function reasonToKeep(others: number, ending: Ending): string {
  if (others > 0) return `none of ${others} other candidates scored more`;
  return ending === 'perfect' ? 'it has full marks on val' : 'no other candidate was tried';
}

function detailsOf({ pool, merges }: Found, meter: Meter, proposer: Proposer): { [name: string]: Json } {
  const scores = pool.map((member) => member.scores);
  return {
    candidates: pool.map(({ candidate }) => candidateId(candidate)),
    parents: pool.map(({ parents }) => parents),
    valAggregateScores: scores.map(meanOf),
    valSubscores: scores,
    perValInstanceBestCandidates: rowFronts(scores),
    discoveryEvalCounts: pool.map(({ discoveredAt }) => discoveredAt),
    totalMetricCalls: meter.metricCalls(),
    numFullValEvals: pool.length,
    proposals: proposer.counts(),
    merges: { tried: merges.tried, accepted: merges.accepted },
  };
}
