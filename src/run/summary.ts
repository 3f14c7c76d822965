import type { Evaluation } from '../core/metric.ts';
import { dataSetsOf } from '../core/step-data-set.ts';
import { trainingsOf } from '../core/step-training.ts';
import { strategyText } from '../core/strategy.ts';
import type { CandidateSummary, CrossedCell, LoadComparison, RunSummary, SelectionSummary } from '../core/summary.ts';
import { scoreInterval } from '../evaluate/statistics.ts';
import { manifestOf } from './manifest.ts';
import type { Measured } from './measured.ts';
import { testSummary } from './test-summary.ts';
import type { World } from './world.ts';

/** What a strategy came to. `candidates` are in the order of the steps, the baseline first. */
export interface StrategyResults {
  readonly candidates: readonly Measured[];
  readonly chosen: Measured;
  readonly selection: SelectionSummary | null;
  readonly crossed: readonly CrossedCell[];
  readonly failedSteps: number;
  readonly loads: readonly LoadComparison[];
  readonly digest: string;
}

export async function summarize(
  world: World,
  { candidates, chosen, selection, crossed, failedSteps, loads, digest }: StrategyResults,
): Promise<RunSummary> {
  const { id, experiment, ports, memory, budget } = world;
  const { store } = ports;
  const totals = store.callTotals(id);
  const { requested, shared } = memory.counts();
  const starts = store.starts(id);
  const events = store.events(id);
  const engines = await Promise.all([...world.hosts.models.keys()].map(world.hosts.engineOf));
  const isReproducible =
    experiment.settings.maxMinutes === null && engines.every(({ reproducible }) => reproducible === 'bytes');
  return {
    run: id,
    digest,
    seed: experiment.seed,
    strategy: strategyText(experiment.strategy),
    candidates: candidates.map(summaryOf),
    chosen: { strategy: chosen.strategy, candidate: chosen.candidate },
    selection,
    test: testSummary(candidates[0]!, chosen, store.testEvaluations()),
    crossed,
    flagCompilationErrorOccurred: failedSteps > 0,
    dataSets: dataSetsOf(events),
    trainings: trainingsOf(events),
    loads,
    // Earlier starts of this run asked for the same things: what they made is this run's, what else was known came from other runs.
    calls: { requested, made: totals.made, remembered: Math.max(0, requested - totals.made - shared) },
    tokens: {
      prompt: totals.promptTokens,
      cachedPrompt: totals.cachedPromptTokens,
      completion: totals.completionTokens,
    },
    constraint: { forks: totals.forks, overruled: totals.overruled },
    seconds: starts.reduce((sum, start) => sum + start.seconds, 0),
    budget: budget.state(),
    modelSwitches: world.hosts.switches(),
    networkAttempts: store.networkAttempts(id),
    reproducible: isReproducible ? 'bytes' : 'replay',
    starts,
    manifest: await manifestOf(world),
    notices: events.flatMap((event) => (event.type === 'notice' ? [event.notice] : [])),
  };
}

function summaryOf({ strategy, candidate, val, test }: Measured): CandidateSummary {
  const interval = (evaluation: Evaluation | null) =>
    evaluation && scoreInterval(evaluation.rows.map(({ score }) => score.value));
  const failures = [val, test]
    .flatMap((evaluation) => evaluation?.rows ?? [])
    .filter(({ failure }) => failure !== null).length;
  return { strategy, candidate, val: interval(val), test: interval(test), failures };
}
