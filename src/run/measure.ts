import type { Candidate } from '../core/candidate.ts';
import type { RunEvent } from '../core/event.ts';
import type { Example, SplitName } from '../core/example.ts';
import type { Evaluation } from '../core/metric.ts';
import type { EvaluateOptions } from '../core/optimizer.ts';
import { firstAttempt } from '../core/program.ts';
import { evaluateCandidate, type RowGroups } from '../evaluate/evaluate.ts';
import type { World } from './world.ts';

/** What is measured, and what a person is told meanwhile. */
export interface Measurement {
  readonly step: number;
  readonly what: string;
  readonly split: SplitName;
  readonly candidate: Candidate;
  readonly examples: readonly Example[];
}

/** Measures and records: the only way from a run to an evaluation. */
export async function measure(
  world: World,
  measurement: Measurement,
  options: EvaluateOptions = {},
): Promise<Evaluation> {
  const [evaluation] = await measureAll(world, [measurement], options);
  return evaluation!;
}

/** Measures at once and records in order, whatever came to its end first. */
export async function measureAll(
  world: World,
  measurements: readonly Measurement[],
  options: EvaluateOptions = {},
): Promise<Evaluation[]> {
  const rows = measurements.reduce((sum, { examples }) => sum + examples.length, 0);
  if (rows > 0) world.budget.begin(rows);
  const groups = await Promise.all(measurements.map((measurement) => rowGroups(world, measurement)));
  const work = measurements.map(
    (measurement, index) => () => run(world, measurement, { ...options, inGroups: groups[index]! }),
  );
  // What goes in groups goes one after the other, so that groups are the same at every start.
  const evaluations = groups.some((group) => group !== null) ? await inTurn(work) : await atOnce(work);
  for (const [index, evaluation] of evaluations.entries()) {
    const { step, split } = measurements[index]!;
    world.recorder.record({
      type: 'evaluation',
      step,
      split,
      candidate: evaluation.candidate,
      mean: evaluation.mean,
      rows: scored(evaluation),
      ...(options.attempt || options.metric || options.structure ? { aside: true } : {}),
    });
  }
  return evaluations;
}

async function atOnce<T>(work: readonly (() => Promise<T>)[]): Promise<T[]> {
  const settled = await Promise.allSettled(work.map((one) => one()));
  const failed = settled.find((one) => one.status === 'rejected');
  if (failed) throw failed.reason;
  // `as`: none was rejected.
  return settled.map((one) => (one as PromiseFulfilledResult<T>).value);
}

async function inTurn<T>(work: readonly (() => Promise<T>)[]): Promise<T[]> {
  const results: T[] = [];
  for (const one of work) results.push(await one());
  return results;
}

/** A row makes one call of each predictor, for all that is known, and each may fill its model's context. */
const rowGroups = ({ budget, hosts }: World, { candidate }: Measurement): Promise<RowGroups | null> =>
  budget.rowGroups(async () => {
    const engines = await Promise.all(
      Object.values(candidate.predictors).map(({ model }) => hosts.engineOf(model.base)),
    );
    return engines.reduce((sum, { contextTokens }) => sum + contextTokens, 0);
  });

interface GroupedOptions extends EvaluateOptions {
  readonly inGroups: RowGroups | null;
}

function run({ experiment, ports, memory, embed }: World, measurement: Measurement, options: GroupedOptions) {
  const { what, candidate, examples } = measurement;
  return evaluateCandidate({
    structure: options.structure ?? experiment.structure,
    candidate,
    examples,
    metric: options.metric ?? experiment.metric,
    attempt: options.attempt ?? firstAttempt,
    leaveOneOut: options.leaveOneOut ?? false,
    answer: memory.answer,
    inGroups: options.inGroups,
    embed,
    concurrency: ports.concurrency,
    maxErrors: experiment.settings.maxErrors,
    onRow: (done, mean) =>
      ports.show({ type: 'progress', progress: { type: 'evaluating', what, done, total: examples.length, mean } }),
  });
}

const scored = ({ rows }: Evaluation): Extract<RunEvent, { type: 'evaluation' }>['rows'] =>
  rows.map(({ example, score, failure }) => ({
    example: example.id,
    score: score.value,
    ...(failure ? { failure: failure.kind } : {}),
  }));
