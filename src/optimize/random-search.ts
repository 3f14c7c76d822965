import { z } from 'zod';
import { type Candidate, candidateId } from '../core/candidate.ts';
import { InputError } from '../core/errors.ts';
import type { Optimized, OptimizerContext, Trial } from '../core/optimizer.ts';
import { bootstrapped, expectedAttempts, withoutDemos } from './bootstrap-few-shot.ts';
import { calibrationRows, choiceRules, rulesToTry, withChoiceRule } from './calibrate.ts';
import { count, defineOptimizer } from './define.ts';
import { labelled } from './labeled-few-shot.ts';

const parameters = z.object({
  metricThreshold: z.number().nullable().default(null),
  maxBootstrappedDemos: count(4),
  maxLabeledDemos: count(16),
  maxRounds: z.int().positive().default(1),
  /** Randomly bootstrapped candidates, beside the three that are always there: no demos, labelled demos, demos in train order. */
  numCandidatePrograms: count(16),
  /** Ends the search at this score (a fraction of 1). */
  stopAtScore: z.number().nullable().default(null),
  /** Only these candidates, by their number: -3 no demos, -2 labelled, -1 in train order, 0 and up random. */
  restrict: z.array(z.int()).nullable().default(null),
  /** Whether labelled demos are drawn at random or taken from the top. */
  labeledSample: z.boolean().default(true),
  maxDemoTokens: z.int().positive().nullable().default(null),
  /** How labels are taken: every candidate is tried in each of these ways (default: as the parent does). */
  choiceRules,
});

type Settings = z.output<typeof parameters>;

/** Random search over demo sets (DSPy's BootstrapFewShotWithRandomSearch); all candidates run on the parent's own weights. */
export const bootstrapFewShotWithRandomSearch = defineOptimizer({
  name: 'bootstrapFewShotWithRandomSearch',
  kind: 'prompt',
  parameters,
  expectedCalls({ numCandidatePrograms, maxRounds, choiceRules: rules }, { train, val, predictors }) {
    const searches = numCandidatePrograms + 1;
    const judged = (rules?.length ?? 1) * (searches + 2) * (val || train);
    const calibrated = rules?.includes('calibrated') ? (searches + 2) * Math.min(calibrationRows, train) : 0;
    return predictors * (judged + calibrated + searches * maxRounds * expectedAttempts(train));
  },
  async optimize(settings, parent, context, metric): Promise<Optimized> {
    const judged = context.val.length > 0 ? context.val : context.train;
    const trials: Trial[] = [];
    let best: Trial | undefined;
    const rules = rulesToTry(settings.choiceRules, parent);
    const ways = numbers(settings).flatMap((number) => rules.map((rule) => ({ number, rule })));
    for (const { number, rule } of ways) {
      if (trials.length > 0 && context.callsLeft() < judged.length) {
        context.notice({
          code: 'budget-ends-search',
          message: `The budget has no calls left for another candidate: ${trials.length} were tried.`,
        });
        break;
      }
      const { candidate: proposed, note: demos } = await proposal(number, settings, parent, context, metric);
      const candidate = await withChoiceRule(proposed, rule, context);
      const note = rules.length > 1 ? `${demos}, ${rule}` : demos;
      if (trials.some((trial) => candidateId(trial.candidate) === candidateId(candidate))) continue;
      context.propose(candidate, [parent], note);
      // Demos come from the train set: where that is what is judged, no example may find itself in the prompt.
      const { mean } = await context.evaluate(candidate, judged, {
        leaveOneOut: context.val.length === 0,
        ...(metric ? { metric } : {}),
      });
      const trial = { candidate, score: mean, note };
      trials.push(trial);
      // Strictly better only: the earliest, simplest candidate wins ties.
      if (!best || (mean ?? 0) > (best.score ?? 0)) best = trial;
      if (settings.stopAtScore !== null && (mean ?? 0) >= settings.stopAtScore) break;
    }
    return { candidate: best?.candidate ?? parent, trials };
  },
});

function numbers({ restrict, numCandidatePrograms }: Settings): number[] {
  const all = Array.from({ length: numCandidatePrograms + 3 }, (_, index) => index - 3);
  const chosen = restrict === null ? all : all.filter((number) => restrict.includes(number));
  if (chosen.length > 0) return chosen;
  throw new InputError(
    'restrict-empty',
    [`restrict leaves no candidate: it names ${JSON.stringify(restrict)}.`],
    `Candidates are -3 to ${numCandidatePrograms - 1}.`,
  );
}

async function proposal(
  number: number,
  settings: Settings,
  parent: Candidate,
  context: OptimizerContext,
  metric: Parameters<typeof bootstrapped>[4],
): Promise<{ candidate: Candidate; note: string }> {
  const start = withoutDemos(parent);
  // Every candidate has a stream of its own: one more or less does not change the others.
  const own = { ...context, rng: context.rng.fork(`candidate/${number}`) };
  const { maxLabeledDemos, maxBootstrappedDemos, labeledSample, maxDemoTokens } = settings;
  if (number === -3) return { candidate: start, note: 'no demos' };
  if (number === -2) {
    const candidate = await labelled(start, { k: maxLabeledDemos, sample: labeledSample, maxDemoTokens }, own);
    return { candidate, note: 'labelled demos' };
  }
  if (number === -1)
    return { candidate: await bootstrapped(parent, settings, own, context.train, metric), note: 'bootstrapped demos' };
  const train = own.rng.fork('order').shuffle(context.train);
  const size = 1 + own.rng.fork('size').int(Math.max(1, maxBootstrappedDemos));
  const candidate = await bootstrapped(
    parent,
    { ...settings, maxBootstrappedDemos: Math.min(size, maxBootstrappedDemos) },
    own,
    train,
    metric,
  );
  return { candidate, note: `random demos ${number + 1}` };
}
