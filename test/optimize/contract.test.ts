import { z } from 'zod';
import type { Optimizer, Trial } from '../../src/core/optimizer.ts';
import { bootstrapFewShot } from '../../src/optimize/bootstrap-few-shot.ts';
import { copro } from '../../src/optimize/copro/copro.ts';
import { count, defineOptimizer } from '../../src/optimize/define.ts';
import { gepa } from '../../src/optimize/gepa/gepa.ts';
import { inferRules } from '../../src/optimize/infer-rules.ts';
import { knnFewShot } from '../../src/optimize/knn-few-shot.ts';
import { labeledFewShot, labelled } from '../../src/optimize/labeled-few-shot.ts';
import { miproV2 } from '../../src/optimize/mipro/mipro-v2.ts';
import { bootstrapFewShotWithRandomSearch } from '../../src/optimize/random-search/random-search.ts';
import { simba } from '../../src/optimize/simba/simba.ts';
import { optimizerContract } from '../contract/optimizer-contract.ts';

/** An optimizer as a reader of this project would add one: the best of a few sets of labelled demos. */
const bestDemoSet = defineOptimizer({
  name: 'bestDemoSet',
  kind: 'prompt',
  parameters: z.object({ sets: count(3), k: count(8) }),
  expectedCalls: ({ sets }, { val, train, predictors }) => (sets + 1) * (val || train) * predictors,
  async optimize({ sets, k }, start, context, metric) {
    const judged = context.val.length > 0 ? context.val : context.train;
    const callsEach = judged.length * Object.keys(context.structure.predictors).length;
    const trials: Trial[] = [];
    for (let set = 0; set <= sets && context.callsLeft() >= callsEach; set++) {
      const own = { ...context, rng: context.rng.fork(`set/${set}`) };
      const candidate = set === 0 ? start : await labelled(start, { k, sample: true, maxDemoTokens: null }, own);
      if (set > 0) context.propose(candidate, [start], `set ${set}`);
      const options = { leaveOneOut: judged === context.train, ...(metric ? { metric } : {}) };
      const { mean } = await context.evaluate(candidate, judged, options);
      trials.push({ candidate, score: mean, note: set === 0 ? 'start' : `set ${set}` });
    }
    const best = trials.toSorted((a, b) => b.score! - a.score!)[0];
    if (trials.length <= sets) context.notice({ code: 'budget-ends-search', message: 'The calls are spent.' });
    if (best === trials[0]) context.notice({ code: 'start-kept', message: 'The start is kept: no set is better.' });
    return { candidate: best?.candidate ?? start, trials };
  },
});

// A new optimizer: one line here.
const optimizers: readonly (() => Optimizer)[] = [
  () => bestDemoSet(),
  () => labeledFewShot(),
  () => bootstrapFewShot(),
  () => bootstrapFewShotWithRandomSearch({ numCandidatePrograms: 2 }),
  () => knnFewShot(),
  () => copro(),
  () => gepa(),
  () => inferRules(),
  () => miproV2(),
  () => simba({ maxSteps: 3 }),
];

for (const make of optimizers) optimizerContract(make().name, make);
