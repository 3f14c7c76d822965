import { type Candidate, candidateId } from '../../core/candidate.ts';
import type { Json } from '../../core/json.ts';
import type { Optimized, OptimizerContext, Trial } from '../../core/optimizer.ts';
import { bootstrapped, expectedAttempts, withoutDemos } from '../bootstrap-few-shot.ts';
import { calibrationRows, withChoiceRule } from '../calibrate.ts';
import { defineOptimizer } from '../define.ts';
import { judge } from '../judge.ts';
import { labelled } from '../labeled-few-shot.ts';
import { sayThatTheBudgetEnds, sayThatTheStartIsKept } from '../notices.ts';
import { raceAgainst } from '../race.ts';
import { type Teaching, teachingOf } from '../teaching.ts';
import { type RandomSearchSettings, randomSearchParameters } from './parameters.ts';
import { candidateNumbers, waysOf } from './ways.ts';

/**
 * Random search over demo sets (DSPy's BootstrapFewShotWithRandomSearch); all candidates run on the parent's own weights. `details` has
 * `candidatePrograms`: who was judged on all examples, best first, with a score for each.
 */
export const bootstrapFewShotWithRandomSearch = defineOptimizer({
  name: 'bootstrapFewShotWithRandomSearch',
  kind: 'prompt',
  parameters: randomSearchParameters,
  layouts: { chatFormats: ['json', 'value', 'lines'], labelLists: ['shown', 'omitted'], demoOrders: ['reversed'] },
  expectedCalls({ numCandidatePrograms, maxRounds, choiceRules: rules, choiceRulesFor }, { train, val, predictors }) {
    const searches = numCandidatePrograms + 1;
    const [first, ...others] = rules ?? [null, 'calibrated' as const];
    const retried = choiceRulesFor === 'all' ? searches + 2 : 2;
    const judged = (searches + 2 + others.length * retried) * (val || train);
    const calibrations = (first === 'calibrated' ? searches + 2 : 0) + (others.includes('calibrated') ? retried : 0);
    const calibrated = calibrations * Math.min(calibrationRows, train);
    return predictors * (judged + calibrated + searches * maxRounds * expectedAttempts(train));
  },
  async optimize(settings, parent, context, metric): Promise<Optimized> {
    const leaveOneOut = context.val.length === 0;
    const judged = leaveOneOut ? context.train : context.val;
    const predictors = Object.keys(context.structure.predictors).length;
    const trials: Scored[] = [];
    const teaching = teachingOf(parent, settings, context, metric);
    let best: Scored | undefined;
    for (const { number, rule, isNamed } of waysOf(settings, parent, context)) {
      const callsEach = predictors * (judged.length + (rule === 'calibrated' ? calibrationRows : 0));
      const affords = () => context.callsLeft() >= callsEach;
      const again = number === candidateNumbers.best && best ? { candidate: best.candidate, note: best.demos } : null;
      const proposed = affords() ? (again ?? (await proposal(number, settings, parent, context, teaching))) : null;
      // Finding demos may have spent what judging them needs.
      if (!proposed || !affords()) {
        sayThatTheBudgetEnds(context, trials.length);
        break;
      }
      const candidate = await withChoiceRule(proposed.candidate, rule, context);
      const note = isNamed ? `${proposed.note}, ${rule}` : proposed.note;
      if (trials.some((trial) => candidateId(trial.candidate) === candidateId(candidate))) continue;
      context.propose(candidate, [parent], note);
      // Demos come from the train set: where that is what is judged, no example may find itself in the prompt.
      const toBeat = settings.stopLosers ? (best?.score ?? null) : null;
      const race = raceAgainst(settings.racing, best?.subscores);
      const options = { toBeat, race, scoresToBeat: best?.subscores, leaveOneOut, ...(metric ? { metric } : {}) };
      const { score, evaluation } = await judge(context, candidate, judged, options);
      const subscores = evaluation.rows.map((row) => row.score.value);
      const trial = { candidate, score, note, demos: proposed.note, subscores };
      trials.push(trial);
      // Strictly better only: the earliest, simplest candidate wins ties.
      if (!best || (score ?? 0) > (best.score ?? 0)) best = trial;
      if (settings.stopAtScore !== null && (score ?? 0) >= settings.stopAtScore) break;
    }
    const isKept = !best || candidateId(best.candidate) === candidateId(parent);
    if (isKept)
      sayThatTheStartIsKept(context, `none of the ${trials.length} candidates of the random search is better`);
    return {
      candidate: isKept ? parent : best!.candidate,
      trials: trials.map(({ candidate, score, note }) => ({ candidate, score, note })),
      details: { candidatePrograms: candidatePrograms(trials) },
    };
  },
});

interface Scored extends Trial {
  /** Its demos in words, whatever the choice rule. */
  readonly demos: string;
  /** On each of the judged examples that it was asked. */
  readonly subscores: readonly number[];
}

/** Who was judged on all examples, best first and ties to the earlier, as in DSPy. */
const candidatePrograms = (trials: readonly Scored[]): Json =>
  trials
    .flatMap(({ candidate, score, note, subscores }) =>
      score === null ? [] : [{ candidate: candidateId(candidate), note, score, subscores }],
    )
    .toSorted((a, b) => b.score - a.score);

async function proposal(
  number: number,
  settings: RandomSearchSettings,
  parent: Candidate,
  context: OptimizerContext,
  teaching: Teaching,
): Promise<{ candidate: Candidate; note: string }> {
  const bare = withoutDemos(parent);
  // Every candidate has a stream of its own: one more or less does not change the others.
  const own = { ...context, rng: context.rng.fork(`candidate/${number}`) };
  const { maxLabeledDemos, maxBootstrappedDemos, labeledSample, maxDemoTokens } = settings;
  if (number === candidateNumbers.start) return { candidate: parent, note: 'start' };
  if (number === candidateNumbers.withoutDemos) return { candidate: bare, note: 'no demos' };
  if (number === candidateNumbers.labelled) {
    const candidate = await labelled(bare, { k: maxLabeledDemos, sample: labeledSample, maxDemoTokens }, own);
    return { candidate, note: 'labelled demos' };
  }
  if (number === candidateNumbers.inTrainOrder)
    return { candidate: await bootstrapped(parent, settings, own, teaching), note: 'bootstrapped demos' };
  const train = own.rng.fork('order').shuffle(context.train);
  const size = 1 + own.rng.fork('size').int(Math.max(1, maxBootstrappedDemos));
  const fewer = { ...settings, maxBootstrappedDemos: Math.min(size, maxBootstrappedDemos) };
  const candidate = await bootstrapped(parent, fewer, { ...own, train }, teaching);
  return { candidate, note: `random demos ${number + 1}` };
}
