import type { Candidate } from '../core/candidate.ts';
import type { RunEvent, SplitName } from '../core/event.ts';
import type { Example } from '../core/example.ts';
import type { Evaluation } from '../core/metric.ts';
import type { EvaluateOptions } from '../core/optimizer.ts';
import { firstAttempt } from '../core/program.ts';
import { evaluateCandidate } from '../evaluate/evaluate.ts';
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
  const settled = await Promise.allSettled(measurements.map((measurement) => run(world, measurement, options)));
  const failed = settled.find((one) => one.status === 'rejected');
  if (failed) throw failed.reason;
  // `as`: none was rejected.
  const evaluations = settled.map((one) => (one as PromiseFulfilledResult<Evaluation>).value);
  for (const [index, evaluation] of evaluations.entries()) {
    const { step, split } = measurements[index]!;
    world.recorder.record({
      type: 'evaluation',
      step,
      split,
      candidate: evaluation.candidate,
      mean: evaluation.mean,
      rows: scored(evaluation),
    });
  }
  return evaluations;
}

function run({ experiment, ports, memory }: World, measurement: Measurement, options: EvaluateOptions) {
  const { what, candidate, examples } = measurement;
  return evaluateCandidate({
    structure: options.structure ?? experiment.structure,
    candidate,
    examples,
    metric: options.metric ?? experiment.metric,
    attempt: options.attempt ?? firstAttempt,
    leaveOneOut: options.leaveOneOut ?? false,
    answer: memory.answer,
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
