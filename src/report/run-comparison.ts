import type { ScoredRow } from '../core/event.ts';
import type { SplitName } from '../core/example.ts';
import { canonicalJson, type Json } from '../core/json.ts';
import type { ScoreInterval } from '../core/summary.ts';
import { compareRows, type RowComparison } from './flips.ts';
import type { PathPoint } from './run-path.ts';
import type { RunReport } from './run-report.ts';
import type { Statistics } from './statistics.ts';

/** Something in which the experiments of runs differ; null where a run does not have it. */
export interface ConfigurationDifference {
  /** Such as `settings.stepStart`. */
  readonly name: string;
  /** One for each run, in their order. */
  readonly values: readonly (Json | null)[];
}

/** What a run comes to the comparison with. */
export interface ComparedRun {
  readonly run: string;
  /** The steps to the program that it is compared by: the chosen one, or the latest of a run that is not finished. */
  readonly strategy: string;
  readonly isFinished: boolean;
  readonly val: ScoreInterval | null;
  readonly test: ScoreInterval | null;
  readonly calls: number;
  readonly seconds: number;
}

/** A run against the first one, on the examples that both were measured on. */
export interface RunPair extends RowComparison {
  readonly run: string;
  /** The sealed test where both have one in common, or else val. Null: there is no example in common. */
  readonly split: SplitName | null;
}

export interface RunComparison {
  readonly runs: readonly ComparedRun[];
  readonly differences: readonly ConfigurationDifference[];
  readonly pairs: readonly RunPair[];
}

/** Compares runs with the first of them. */
export function compareRuns(reports: readonly RunReport[], statistics: Statistics): RunComparison {
  const [first, ...others] = reports;
  return {
    runs: reports.map(comparedRun),
    differences: configurationDifferences(reports.map(({ run }) => run.experiment)),
    pairs: first ? others.map((other) => pairOf(first, other, statistics)) : [],
  };
}

/** The program that a run is judged by. */
export const resultOf = ({ path }: RunReport): PathPoint | undefined =>
  path.find(({ isChosen }) => isChosen) ?? path.at(-1);

function comparedRun(report: RunReport): ComparedRun {
  const { run, summary, costs } = report;
  const { strategy = '', val = null, test = null } = resultOf(report) ?? {};
  return {
    run: run.id,
    strategy,
    isFinished: summary !== null,
    val,
    test,
    calls: costs.reduce((sum, cost) => sum + cost.calls, 0),
    seconds: costs.reduce((sum, cost) => sum + cost.seconds, 0),
  };
}

function pairOf(first: RunReport, other: RunReport, statistics: Statistics): RunPair {
  const rowsOf = (report: RunReport, split: SplitName): readonly ScoredRow[] =>
    report.rows(split, resultOf(report)?.candidate ?? '');
  for (const split of ['test', 'val'] as const) {
    const comparison = compareRows(rowsOf(first, split), rowsOf(other, split), statistics);
    if (comparison.shared > 0) return { run: other.run.id, split, ...comparison };
  }
  return { run: other.run.id, split: null, shared: 0, paired: null, flips: [] };
}

function configurationDifferences(experiments: readonly Json[]): readonly ConfigurationDifference[] {
  const flat = experiments.map((experiment) => new Map(leaves(experiment, '')));
  const names = [...new Set(flat.flatMap((values) => [...values.keys()]))];
  return names.flatMap((name) => {
    const values = flat.map((of) => of.get(name) ?? null);
    return new Set(values.map(canonicalJson)).size > 1 ? [{ name, values }] : [];
  });
}

/** The values of an experiment under the path of their names. */
function leaves(value: Json, name: string): readonly (readonly [string, Json])[] {
  if (value === null || typeof value !== 'object') return [[name, value]];
  const members = Object.entries(value).filter(([, one]) => one !== undefined);
  if (members.length === 0) return [[name, value]];
  // `!`: undefined was left out.
  return members.flatMap(([key, one]) => leaves(one!, name === '' ? key : `${name}.${key}`));
}
