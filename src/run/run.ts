import { type Candidate, candidateId, mapPredictors } from '../core/candidate.ts';
import { BetterTogetherError, InputError, Interrupted, StepError } from '../core/errors.ts';
import type { RunEvent } from '../core/event.ts';
import type { Example } from '../core/example.ts';
import { contentId, type Json } from '../core/json.ts';
import type { Optimized, Optimizer, OptimizerContext } from '../core/optimizer.ts';
import { seededRng } from '../core/rng.ts';
import { strategyText } from '../core/strategy.ts';
import type { LoadComparison, RunSummary } from '../core/summary.ts';
import { watchBest } from './best-so-far.ts';
import { compareLoads } from './compare-loads.ts';
import { measureCrossed } from './crossed.ts';
import { describeExperiment, type Experiment, splitId } from './experiment.ts';
import { measure } from './measure.ts';
import type { Measured } from './measured.ts';
import { checkMetric } from './metric-checks.ts';
import { sealedRows } from './sealed-rows.ts';
import { select } from './selection.ts';
import { contextFor } from './step-context.ts';
import { type StrategyResults, summarize } from './summary.ts';
import { openWorld, type RunPorts, type World } from './world.ts';

export const runId = (experiment: Experiment): string => contentId(describeExperiment(experiment));

/**
 * Applies a strategy. Running again is resuming: every model call and training that was made before is remembered, so that the run comes to
 * where it was without asking anybody, and a finished run returns what it ended with.
 */
export async function execute(experiment: Experiment, ports: RunPorts): Promise<RunSummary> {
  const { store } = ports;
  const id = runId(experiment);
  store.addRun({ id, experiment: describeExperiment(experiment) });
  const { train, val, test } = experiment.splits;
  store.addExamples([...train, ...val, ...test]);
  const ids = (examples: readonly Example[]) => examples.map(({ id: name }) => name);
  store.addSplits(id, { train: ids(train), val: ids(val), test: ids(test) });
  const finished = store.summary(id);
  // `as`: written below.
  if (finished !== undefined) return finished as unknown as RunSummary;
  const letGo = store.holdRun(id);
  try {
    const start = store.addStart(id);
    const unwatch = ports.onNetworkAttempt((to) => store.addNetworkAttempt(id, start, to));
    try {
      const world = openWorld(experiment, ports, id, start);
      const results = await applyStrategy(world);
      store.endStart(id, start, 'done');
      const summary = await summarize(world, results);
      // `as`: a summary is plain data.
      store.addSummary(id, summary as unknown as Json);
      return summary;
    } catch (error) {
      store.endStart(id, start, error instanceof BetterTogetherError ? error.code : 'crashed');
      throw error;
    } finally {
      unwatch();
    }
  } finally {
    letGo();
  }
}

async function applyStrategy(world: World): Promise<StrategyResults> {
  const { experiment, recorder } = world;
  const { splits, strategy, seed, settings } = experiment;
  recorder.record({
    type: 'run-start',
    seed,
    strategy: strategyText(strategy),
    splits: { train: splitId(splits.train), val: splitId(splits.val), test: splitId(splits.test) },
  });
  if (experiment.data.findings.length > 0)
    world.ports.show({ type: 'progress', progress: { type: 'data', report: experiment.data } });
  for (const notice of experiment.notices) recorder.record({ type: 'notice', notice });

  const candidates: Measured[] = [await validate(world, 0, '', experiment.initial)];
  noteLowBaseline(candidates[0]!, recorder.record);
  await noteOddMetric(candidates[0]!, world);
  let train = splits.train;
  let failedSteps = 0;
  const loads: LoadComparison[] = [];
  const taken: string[] = [];
  for (const [index, key] of strategy.entries()) {
    const step = index + 1;
    const rng = seededRng(seed).fork(`step-${step}/${key}`);
    if (settings.shuffleTrainsetBetweenSteps) train = rng.fork('train-order').shuffle(train);
    const optimizer = experiment.optimizers[key]!;
    const parent = parentOf(candidates, optimizer, experiment);
    recorder.record({ type: 'step-start', step, key, optimizer: optimizer.name, from: candidateId(parent) });
    try {
      const context = contextFor(world, step, key, train, rng);
      const { candidate, trials, details } = await world.budget.counting(() => optimize(optimizer, parent, context));
      // What an optimizer hands on it need not have proposed.
      sealedRows(experiment, key).requireDemos(candidate);
      taken.push(key);
      const comparison = optimizer.kind === 'weights' ? await compareLoads(world, step, candidate) : null;
      if (comparison) loads.push(comparison);
      const measured = await validate(world, step, strategyText(taken), candidate);
      candidates.push(measured);
      recorder.record({
        type: 'step-end',
        step,
        key,
        strategy: measured.strategy,
        to: candidateId(candidate),
        val: measured.val?.mean ?? null,
        trials: trials.map((trial) => ({ ...trial, candidate: candidateId(trial.candidate) })),
        ...(details ? { details } : {}),
      });
    } catch (error) {
      if (!(error instanceof StepError || error instanceof InputError)) throw error;
      failedSteps++;
      recorder.record({ type: 'step-failed', step, key, code: error.code, message: `${error.message} ${error.hint}` });
      if (settings.onStepError === 'stop') break;
    }
  }
  const { chosen, summary } = select(candidates, settings.selection, world.ports.store.events(world.id), splits.val);
  const crossed = settings.crossed ? await measureCrossed(world, candidates) : [];
  recorder.record({ type: 'chosen', strategy: chosen.strategy, candidate: candidateId(chosen.candidate) });
  const tested = await openTest(world, candidates, chosen);
  recorder.record({ type: 'run-end' });
  const pick = tested.find(
    ({ strategy: path, candidate }) => path === chosen.strategy && candidate === chosen.candidate,
  );
  return {
    candidates: tested,
    chosen: pick ?? chosen,
    selection: summary,
    crossed,
    failedSteps,
    loads,
    digest: recorder.digest(),
  };
}

/** Half right is the level from which joint optimization is known to work well. */
function noteLowBaseline({ val }: Measured, record: (event: RunEvent) => void): void {
  if (!val || val.mean === null || val.mean >= 0.5) return;
  const message = `The baseline scores ${(100 * val.mean).toFixed(1)} % on val. Below 50 % it is worth looking at the task's definition and data first.`;
  record({ type: 'notice', notice: { code: 'low-baseline', message } });
}

async function noteOddMetric({ val }: Measured, { experiment, recorder }: World): Promise<void> {
  if (!val) return;
  for (const notice of await checkMetric(experiment.metric, val)) recorder.record({ type: 'notice', notice });
}

/** What a step comes to: also where the budget ends in its middle. */
async function optimize(optimizer: Optimizer, parent: Candidate, context: OptimizerContext): Promise<Optimized> {
  const watched = watchBest(context);
  const optimized = await optimizer.optimize(parent, watched.context).catch(watched.bestWhenSpent);
  if (context.signal.aborted) throw new Interrupted();
  return optimized;
}

/** Where a step starts. Without a validation score the latest is all one can say. */
function parentOf(candidates: readonly Measured[], optimizer: Optimizer, { settings, initial }: Experiment): Candidate {
  const latest = candidates.at(-1)!;
  const best = candidates.reduce((a, b) => ((b.val?.mean ?? 0) >= (a.val?.mean ?? 0) ? b : a));
  const { candidate } = settings.stepStart === 'best' && latest.val ? best : latest;
  if (optimizer.kind === 'weights' || settings.promptStart === 'current') return candidate;
  return mapPredictors(candidate, (state, name) => {
    const { instructions, demos, nearest } = initial.predictors[name] ?? state;
    const { nearest: _, ...rest } = state;
    return { ...rest, instructions, demos, ...(nearest === undefined ? {} : { nearest }) };
  });
}

async function validate(world: World, step: number, strategy: string, candidate: Candidate): Promise<Measured> {
  const { val } = world.experiment.splits;
  const what = strategy === '' ? 'baseline' : strategy;
  const evaluation =
    val.length === 0 ? null : await measure(world, { step, what, split: 'val', candidate, examples: val });
  return { strategy, candidate, val: evaluation, test: null };
}

/** The sealed split is opened here and nowhere else, once, after the choice has been recorded. */
async function openTest(world: World, candidates: readonly Measured[], chosen: Measured): Promise<Measured[]> {
  const { splits, settings } = world.experiment;
  if (splits.test.length === 0) return [...candidates];
  const step = world.experiment.strategy.length + 1;
  const results: Measured[] = [];
  for (const [index, measured] of candidates.entries()) {
    const isWanted = index === 0 || measured === chosen || settings.openTest === 'all';
    const what = `sealed test: ${measured.strategy === '' ? 'baseline' : measured.strategy}`;
    const test = isWanted
      ? await measure(world, { step, what, split: 'test', candidate: measured.candidate, examples: splits.test })
      : null;
    results.push({ ...measured, test });
  }
  return results;
}
