import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import type { Probe, TokenRow } from '../../src/core/lm.ts';
import type { LoraSettings, TrainingSettings } from '../../src/core/trainer.ts';
import { pythonProgram, trainerSource } from '../../src/system/folders.ts';
import { type ImportDtype, importJob, rowLines, sftJob } from '../../src/trainer/job.ts';

/** Runs a script of python-trainer/tests. */
export const python = (script: string, ...args: readonly string[]) =>
  execa(pythonProgram(), [join(trainerSource(), 'tests', script), ...args], {
    env: { PYTHONPATH: trainerSource() },
  });

/** Carries out jobs one after the other; torch is imported once for all of them. */
export const finishJobs = (jobs: readonly string[]) => python('finish_jobs.py', ...jobs);

interface JobBase {
  /** Where the job's folder is made. */
  readonly root: string;
  readonly gguf: string;
  /** The imported folder. */
  readonly base: string;
  readonly threads?: number;
  readonly probes: readonly Probe[];
}

interface ImportSettings extends JobBase {
  readonly dtype?: ImportDtype;
  readonly allowUntestedArchitecture?: boolean;
}

/** Writes an import as a folder of its own, and gives the path of its job file. */
export function writeImport(name: string, settings: ImportSettings): string {
  const { root, gguf, base, probes, threads = 1, dtype = 'float32', allowUntestedArchitecture = false } = settings;
  const request = { gguf, baseFolder: null, out: base, dtype, allowUntestedArchitecture, threads, probes };
  return writeJob(join(root, name), importJob(request));
}

interface TrainingRequest extends JobBase {
  readonly rows: readonly TokenRow[];
  readonly lora: Partial<LoraSettings>;
  readonly training: Partial<TrainingSettings>;
  readonly seed?: number;
}

/** The same for a training. */
export function writeTraining(name: string, request: TrainingRequest): string {
  const { root, gguf, base, rows, probes, threads = 1, lora, training, seed = 0 } = request;
  const spec = {
    base: 'of the test',
    startFrom: null,
    rows,
    lora: { rank: 4, alpha: 8, dropout: 0, rsLora: false, topLayers: null, targets: 'all', ...lora },
    training: {
      method: 'sft',
      beta: null,
      steps: 4,
      batch: 8,
      learningRate: 0.01,
      warmupSteps: 0,
      schedule: 'constant',
      precision: 'float32',
      quantization: 'none',
      ...training,
    },
    evaluation: null,
    seed,
  } as const;
  const job = sftJob({ spec, base, gguf, startAdapter: null, device: 'cpu', threads, probes, neutral: [] });
  const path = writeJob(join(root, name), job);
  writeFileSync(join(root, name, 'rows.jsonl'), rowLines(rows));
  return path;
}

function writeJob(folder: string, job: unknown): string {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, 'job.json');
  writeFileSync(path, JSON.stringify(job));
  return path;
}
