import { candidateId } from '../core/candidate.ts';
import type { RunEvent } from '../core/event.ts';
import type { Example } from '../core/example.ts';
import type { Engine } from '../core/lm.ts';
import type { Notice } from '../core/notice.ts';
import type { Start, Store, StoredRun } from '../core/store.ts';
import type { RunSummary } from '../core/summary.ts';
import { type EvaluatedRows, evaluatedRows } from './evaluated-rows.ts';
import { type FailedStep, failedSteps, type PathPoint, pathOf } from './run-path.ts';
import type { Statistics } from './statistics.ts';
import { type PartCost, partCosts } from './step-costs.ts';
import { type StoredAnswers, storedAnswers } from './stored-answers.ts';
import { experimentOf, type StoredExperiment } from './stored-experiment.ts';
import { type ReportedTraining, reportedTrainings } from './trainings.ts';
import { type TriedCandidate, triedCandidates } from './tried-candidates.ts';

/** The part of a store that reports are made from. Nothing is written. */
export type ReportStore = Pick<
  Store,
  'layout' | 'recallCall' | 'recallTraining' | 'example' | 'events' | 'spans' | 'starts' | 'summary' | 'networkAttempts'
>;

/** A stored run, finished or not, as all its views show it. */
export interface RunReport {
  readonly run: StoredRun;
  readonly experiment: StoredExperiment;
  /** Null: the run is not finished. */
  readonly summary: RunSummary | null;
  readonly path: readonly PathPoint[];
  readonly failed: readonly FailedStep[];
  readonly candidates: readonly TriedCandidate[];
  readonly trainings: readonly ReportedTraining[];
  readonly costs: readonly PartCost[];
  readonly engines: readonly Engine[];
  readonly starts: readonly Start[];
  readonly notices: readonly Notice[];
  readonly networkAttempts: number;
  readonly rows: EvaluatedRows;
  readonly answers: StoredAnswers;
  /** Undefined in stores from before examples were kept. */
  example(id: string): Example | undefined;
}

export function runReport(store: ReportStore, run: StoredRun, statistics: Statistics): RunReport {
  const events = store.events(run.id);
  const experiment = experimentOf(run);
  const rows = evaluatedRows(events);
  const candidates = triedCandidates(events, experiment.initial, rows, statistics);
  return {
    run,
    experiment,
    // `as`: the run layer stored this; see execute.
    summary: (store.summary(run.id) as unknown as RunSummary | undefined) ?? null,
    path: pathOf(events, candidateId(experiment.initial), rows, statistics),
    failed: failedSteps(events),
    candidates,
    trainings: reportedTrainings(events, store),
    costs: partCosts(events, store.spans(run.id)),
    engines: enginesOf(store, run.id, candidates),
    starts: store.starts(run.id),
    notices: noticesOf(events),
    networkAttempts: store.networkAttempts(run.id),
    rows,
    answers: storedAnswers(store, run),
    example: store.example,
  };
}

function enginesOf(store: ReportStore, run: string, candidates: readonly TriedCandidate[]): readonly Engine[] {
  const bases = candidates.flatMap(({ candidate }) =>
    Object.values(candidate.predictors).map(({ model }) => model.base),
  );
  return [...new Set(bases)].flatMap((base) => {
    // `as`: a run stores engines there; see openEngine in run/world.ts.
    const engine = store.layout(run, base) as unknown as Engine | undefined;
    return engine ? [engine] : [];
  });
}

const noticesOf = (events: readonly RunEvent[]): readonly Notice[] =>
  events.flatMap((event) => (event.type === 'notice' ? [event.notice] : []));
