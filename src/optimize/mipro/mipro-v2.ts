import { candidateId } from '../../core/candidate.ts';
import { StepError } from '../../core/errors.ts';
import type { Optimized, WorkSizes } from '../../core/optimizer.ts';
import { expectedAttempts, withoutDemos } from '../bootstrap-few-shot.ts';
import { calibrationRows } from '../calibrate.ts';
import { judgedRows } from '../contest.ts';
import { defineOptimizer } from '../define.ts';
import { requireUsableFormats } from '../layouts.ts';
import { sayThatTheBudgetEnds } from '../notices.ts';
import { callsOfOneRun, createCallMeter, withShareOfTheCalls } from './calls.ts';
import { makeDemoSets } from './demo-sets.ts';
import { proposeInstructions } from './instructions.ts';
import { searched, unsearched } from './result.ts';
import { search } from './search.ts';
import { isZeroShot, type MiproSettings, miproParameters, planOf, requireConsistent } from './settings.ts';
import { searchSpace } from './space.ts';

/**
 * Searches instructions and demos together (DSPy's MIPROv2): makes demo sets, has the prompt model write instructions, and tries combinations
 * of them where a Parzen estimator expects most. All of it runs on the parent's own weights; the parent is a candidate and wins ties.
 * Scored on val, without one on the train rows, no example with its own demo.
 *
 * `details`: `trialLogs` (every scoring, in order), `candidatePrograms` (scored on all rows), `minibatchCandidates`, `instructions` by
 * predictor, `dataSummary`, `proposals` (what came of asking the prompt model) and `calls` (by what they were made for).
 */
export const miproV2 = defineOptimizer({
  name: 'miproV2',
  kind: 'prompt',
  parameters: miproParameters,
  layouts: 'own',
  check: (settings) => requireConsistent(settings),
  expectedCalls,
  async optimize(settings, parent, context, metric): Promise<Optimized> {
    const predictors = Object.keys(context.structure.predictors).length;
    const { train, val } = context;
    const plan = planOf(settings, { train: train.length, val: val.length, predictors });
    requireUsableFormats(parent, settings, context.structure);
    const { examples, leaveOneOut } = judgedRows(context);
    const rows =
      examples.length > plan.judgedRows ? context.rng.fork('val').sample(examples, plan.judgedRows) : examples;
    if (rows.length === 0) throw nothingToJudge();

    const start = isZeroShot(settings) ? withoutDemos(parent) : parent;
    if (candidateId(start) !== candidateId(parent)) context.propose(start, [parent], 'no demos');
    const meter = createCallMeter();
    if (context.callsLeft() < rows.length * predictors) {
      sayThatTheBudgetEnds(context, 0);
      const reason = 'the budget has too few calls to score it';
      return unsearched(context, { start, score: null, reason, calls: meter.counts() });
    }
    const startEvaluation = await meter.of('start', context).evaluate(start, rows, {
      leaveOneOut,
      ...(metric ? { metric } : {}),
    });
    // `!`: there are rows.
    const score = startEvaluation.mean!;
    if (score >= 1)
      return unsearched(context, { start, score, reason: 'it is right on all rows', calls: meter.counts() });

    const callsEach = callsOfOneRun(context, startEvaluation);
    // A third of the budget at most for each of the three steps.
    const making = meter.of('demoSets', withShareOfTheCalls(context, 1 / 3));
    const demoSets = await makeDemoSets(making, { start, settings, plan, metric, callsEach });
    const asking = meter.of('proposals', withShareOfTheCalls(context, 1 / 2));
    const instructions = await proposeInstructions(asking, { start, settings, plan, demoSets });
    const ingredients = { start, settings, instructions: instructions.proposed, demoSets };
    const space = await searchSpace(meter.of('calibrations', context), ingredients);
    const { minibatchFullEvalSteps, stopLosers, racing } = settings;
    const judging = { startEvaluation, rows, leaveOneOut, metric, meter, callsEach, stopping: { stopLosers, racing } };
    const trials = await search(context, { start, space, plan, minibatchFullEvalSteps, ...judging });
    return searched(context, { trials, start, instructions, calls: meter.counts() });
  },
});

/** Requests as planned; demo sets as `expectedAttempts` has it, every answer of the prompt model usable. */
function expectedCalls(settings: MiproSettings, sizes: WorkSizes): number {
  const { train, predictors } = sizes;
  const plan = planOf(settings, sizes);
  const { trials, judgedRows: rows, minibatchRows } = plan;
  const bootstraps = Math.max(0, plan.demoSets - 2) * expectedAttempts(train);
  const fullScores = minibatchRows === null ? trials : Math.ceil(trials / settings.minibatchFullEvalSteps);
  const calibrated = settings.choiceRules?.includes('calibrated') ? trials * Math.min(calibrationRows, train) : 0;
  const scored = rows + fullScores * rows + trials * (minibatchRows ?? 0) + calibrated;
  const asked = plan.instructions > 1 ? predictors * (plan.instructions - 1) + expectedQuestions(settings, sizes) : 0;
  return predictors * (bootstraps + scored) + asked;
}

/** What the prompt model is asked before it writes instructions. */
function expectedQuestions(
  { dataAwareProposer, viewDataBatchSize, programAwareProposer }: MiproSettings,
  { train, predictors }: WorkSizes,
): number {
  const onData = dataAwareProposer ? Math.min(10, Math.ceil(train / viewDataBatchSize)) + 1 : 0;
  const onProgram = programAwareProposer && predictors > 1 ? 1 + predictors : 0;
  return onData + onProgram;
}

const nothingToJudge = (): StepError =>
  new StepError(
    'no-examples',
    'miproV2 has neither val nor train examples to score programs on.',
    'Give it some: at least a handful of labelled examples.',
  );
