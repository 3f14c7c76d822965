import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { BaseModel } from '../core/lm.ts';
import type { Trainer } from '../core/trainer.ts';
import { privateFolder, withFile, writePrivately } from '../system/files.ts';
import { importsFolder, pythonProgram } from '../system/folders.ts';
import { cores } from '../system/hardware.ts';
import { type BaseFolder, readBaseFolder } from './base-folder.ts';
import { chooseDevice, type Device } from './device.ts';
import { importedBase } from './imported-base.ts';
import {
  autoPrecision,
  fixedSettings,
  heldOutFile,
  importDtype,
  importJob,
  mergeJob,
  referenceJob,
  rowLines,
  rowsFile,
  sftJob,
} from './job.ts';
import { readProbeFile } from './probe-file.ts';
import { describePython, type PythonEnvironment, trainerCommand } from './python-environment.ts';
import { runJob } from './run-job.ts';

export interface PythonTrainerOptions {
  /** The Python program of an environment with the trainer's packages; by default the one that set-up makes. */
  readonly python?: string;
  /** `auto` is the best that this Python and this machine can use together. */
  readonly device?: 'auto' | Device;
  /** Part of what decides an adapter's bytes; by default all cores. */
  readonly threads?: number;
  /** What starts the trainer in the place of the Python program, such as `['accelerate', 'launch']` or `['srun', 'python']`. */
  readonly launch?: readonly [string, ...string[]];
  /** Where imported base models are kept: as large as the model in float32. */
  readonly imports?: string;
  /** Import also an architecture that was never compared with llama.cpp, and let the parity gate decide. Default: false. */
  readonly allowUntestedArchitecture?: boolean;
  /**
   * A Hugging Face folder of the base model, whose weights are trained on in place of the GGUF file's own. They must be the ones that the
   * file was made from, and as close to it as the gates ask: for files of 8 bits and more they are, for smaller ones rarely.
   */
  readonly baseFolder?: string;
}

/** Trains LoRA adapters with TRL, in one Python process for each import and each training. */
export function pythonTrainer(options: PythonTrainerOptions = {}): Trainer {
  const { python = pythonProgram(), threads = cores(), launch, imports = importsFolder() } = options;
  const { allowUntestedArchitecture = false } = options;
  const start = { command: trainerCommand(launch ?? [python]), isLaunched: launch !== undefined };

  let asked: Promise<PythonEnvironment> | undefined;
  const environment = () => (asked ??= describePython(python));
  const device = async () => chooseDevice(options.device ?? 'auto', await environment());
  let folder: Promise<BaseFolder | null> | undefined;
  const baseFolder = () =>
    (folder ??= options.baseFolder === undefined ? Promise.resolve(null) : readBaseFolder(options.baseFolder));
  const imported = async (base: BaseModel) => {
    const kind = { dtype: importDtype(await device()), baseFolder: await baseFolder() };
    return { ...kind, ...importedBase(base, imports, kind) };
  };

  return {
    async identity() {
      const { versions, platform } = await environment();
      const chosen = await device();
      const weights = await baseFolder();
      return {
        ...versions,
        platform,
        device: chosen,
        importDtype: importDtype(chosen),
        autoPrecision: autoPrecision(chosen),
        threads,
        ...fixedSettings,
        ...(weights && { baseFolder: weights.sha256 }),
      };
    },

    async prepare({ base, folder, probes, ...hooks }) {
      const made = await imported(base);
      if (made.isAccepted()) return null;
      const release = await made.hold(hooks);
      try {
        if (made.isAccepted()) return null; // by the process that held it before us
        const workFolder = join(folder, 'import');
        const { dtype, baseFolder } = made;
        const job = importJob({
          gguf: base.path,
          baseFolder,
          out: made.folder,
          dtype,
          allowUntestedArchitecture,
          threads,
          probes,
        });
        await made.whileReading(() => runJob(job, { ...start, ...hooks, folder: workFolder }));
        return readProbeFile(join(workFolder, 'probe.f32'), probes);
      } finally {
        release();
      }
    },

    async accept(base, parity) {
      (await imported(base)).accept(parity);
    },

    async train(spec, { base, startFolder, folder, probes, neutral, ...hooks }) {
      if ((spec.startFrom === null) !== (startFolder === null)) {
        throw new TypeError(`An adapter to start from has an id and a folder: ${spec.startFrom}, ${startFolder}`);
      }
      const made = await imported(base);
      const job = sftJob({
        spec,
        base: made.folder,
        gguf: base.path,
        startAdapter: startFolder,
        device: await device(),
        threads,
        probes,
        neutral,
      });
      writePrivately(join(privateFolder(folder), rowsFile), rowLines(spec.rows));
      if (spec.evaluation) writePrivately(join(folder, heldOutFile), rowLines(spec.evaluation.rows));
      await made.whileReading(() => runJob(job, { ...start, ...hooks, folder }));
      const result = readJson(join(folder, 'result.json'), Result);
      return {
        adapter: { sha256: result.sha256, path: join(folder, 'adapter.gguf') },
        resumeFrom: join(folder, 'adapter'),
        probeBase: readProbeFile(join(folder, 'probe-base.f32'), probes),
        probeAdapter: readProbeFile(join(folder, 'probe-adapter.f32'), probes),
        steps: result.steps,
        keptStep: result.keptStep,
        rescored: readJson(join(folder, 'rescored.json'), Rescored),
        losses: result.losses,
        heldOutLosses: result.heldOutLosses,
        forgetting: result.forgetting,
        supervisedTokens: result.supervisedTokens,
        seconds: Object.values(result.seconds).reduce((sum, seconds) => sum + seconds, 0),
      };
    },

    async merge(order, { folder, ...hooks }) {
      const workFolder = join(folder, 'merge');
      await runJob(mergeJob(order, threads), { ...start, ...hooks, folder: workFolder });
      const { sha256 } = readJson(join(workFolder, 'result.json'), Merged);
      return { sha256, path: join(workFolder, 'merged.gguf') };
    },

    async reference(adapter, { base, folder, probes, ...hooks }) {
      const workFolder = join(folder, 'reference');
      const made = await imported(base);
      const job = referenceJob({ base: made.folder, adapter, threads, probes });
      await made.whileReading(() => runJob(job, { ...start, ...hooks, folder: workFolder }));
      return {
        base: readProbeFile(join(workFolder, 'probe-base.f32'), probes),
        adapter: readProbeFile(join(workFolder, 'probe-adapter.f32'), probes),
      };
    },
  };
}

const Losses = z.array(z.object({ step: z.number(), loss: z.number() }));

const Result = z.object({
  sha256: z.string(),
  steps: z.number(),
  keptStep: z.number(),
  losses: Losses,
  heldOutLosses: Losses,
  forgetting: z.object({ positions: z.number(), meanKl: z.number(), worstKl: z.number() }),
  supervisedTokens: z.number(),
  seconds: z.record(z.string(), z.number()),
});

const Merged = z.object({ sha256: z.string() });

const Rescored = z.array(
  z.object({
    row: z.number(),
    promptIds: z.array(z.number()),
    completionIds: z.array(z.number()),
    logProbabilities: z.array(z.number()),
  }),
);

const readJson = <T>(path: string, shape: z.ZodType<T>): T =>
  shape.parse(JSON.parse(withFile(path, () => readFileSync(path, 'utf8'))));
