import type { Json } from '../core/json.ts';
import type { Probe } from '../core/lm.ts';
import type { LearnedRow, MergeOrder, TrainingSpec } from '../core/trainer.ts';
import { hasNativeBfloat16 } from '../system/hardware.ts';
import type { BaseFolder } from './base-folder.ts';
import type { Device } from './device.ts';

// What the trainer can be asked to do; python-trainer's job.py says the same and checks it. Relative paths start at the job file.
const version = 1;

export type ImportDtype = 'float32' | 'bfloat16';

/**
 * How an imported base is kept. On a CPU training and gates share one exact folder. On a GPU weights are bfloat16 in any case, and half
 * the disk: rounding them costs less than the gates allow (docs/weights.md).
 */
export const importDtype = (device: Device): ImportDtype => (device === 'cpu' ? 'float32' : 'bfloat16');

/** What is not for the caller to choose, and changes an adapter's last bits all the same. */
export const fixedSettings = { largestMicroBatch: 8, maxGradNorm: 1, weightDecay: 0 };

export interface ImportRequest {
  readonly gguf: string;
  /** Null: the file's own weights. */
  readonly baseFolder: BaseFolder | null;
  readonly out: string;
  readonly dtype: ImportDtype;
  /** Whether an architecture that was never compared with llama.cpp is imported too, for the parity gate to decide. */
  readonly allowUntestedArchitecture: boolean;
  readonly threads: number;
  readonly probes: readonly Probe[];
}

export const importJob = ({ baseFolder, probes, ...request }: ImportRequest): Json => ({
  version,
  kind: 'import',
  baseFolder: baseFolder && { ...baseFolder },
  workDir: '.',
  ...request,
  probe: probes.map(probeJson),
});

export interface SftRequest {
  readonly spec: TrainingSpec;
  readonly base: string;
  readonly gguf: string;
  /** The trainer's own form of `spec.startFrom`. */
  readonly startAdapter: string | null;
  readonly device: Device;
  readonly threads: number;
  readonly probes: readonly Probe[];
  readonly neutral: readonly Probe[];
}

export function sftJob({ spec, base, gguf, startAdapter, device, threads, probes, neutral }: SftRequest): Json {
  const { maxGradNorm, weightDecay } = fixedSettings;
  return {
    version,
    kind: 'sft',
    base,
    gguf,
    rows: rowsFile,
    workDir: '.',
    device,
    threads,
    seed: spec.seed,
    lora: { ...spec.lora },
    startAdapter,
    training: {
      ...spec.training,
      precision: spec.training.precision === 'auto' ? autoPrecision(device) : spec.training.precision,
      microBatch: microBatchOf(spec.training.batch),
      maxGradNorm,
      weightDecay,
      checkpointSteps: 25,
    },
    evaluation: spec.evaluation && { ...spec.evaluation, rows: heldOutFile },
    neutral: neutral.map(probeJson),
    probe: probes.map(probeJson),
  };
}

export const mergeJob = ({ base, adapter, type }: MergeOrder, threads: number): Json => ({
  version,
  kind: 'merge',
  gguf: base.path,
  adapter: adapter.path,
  encoding: type,
  workDir: '.',
  threads,
});

export interface ReferenceRequest {
  /** An imported base, or a Hugging Face folder that was made of one. */
  readonly base: string;
  /** A PEFT folder, or null. */
  readonly adapter: string | null;
  readonly threads: number;
  readonly probes: readonly Probe[];
}

export const referenceJob = ({ base, adapter, threads, probes }: ReferenceRequest): Json => ({
  version,
  kind: 'reference',
  base,
  adapter,
  workDir: '.',
  threads,
  probe: probes.map(probeJson),
});

/**
 * bfloat16 is emulated by a CPU that does not have it: one step of eight rows took 60 s there, 2 s on one that has it, and float32 is in
 * between on both. Part of the trainer's identity, since it changes an adapter's bytes.
 */
export const autoPrecision = (device: Device): 'autocast-bf16' | 'float32' =>
  device === 'cpu' && !hasNativeBfloat16() ? 'float32' : 'autocast-bf16';

export const rowsFile = 'rows.jsonl';
export const heldOutFile = 'held-out.jsonl';

/** The content of the rows file. */
export const rowLines = (rows: readonly LearnedRow[]): string =>
  rows
    .map(({ promptIds, completionIds, rejectedIds }) =>
      JSON.stringify(
        rejectedIds
          ? { prompt_ids: promptIds, chosen_ids: completionIds, rejected_ids: rejectedIds }
          : { prompt_ids: promptIds, completion_ids: completionIds },
      ),
    )
    .join('\n');

const probeJson = ({ ids, positions }: Probe): Json => ({ ids, positions });

/** The rows computed at once: as many as the settings allow and divide the batch. The trainer halves it when memory does not suffice. */
export function microBatchOf(batch: number): number {
  let size = Math.min(batch, fixedSettings.largestMicroBatch);
  while (batch % size !== 0) size--;
  return size;
}
