import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { Interrupted } from '../core/errors.ts';
import type { Trainer } from '../core/trainer.ts';
import { withFile, writePrivately } from '../system/files.ts';
import { importsFolder, pythonProgram } from '../system/folders.ts';
import { cores } from '../system/hardware.ts';
import { importedBase } from './imported-base.ts';
import { fixedSettings, importJob, rowLines, rowsFile, sftJob } from './job.ts';
import { readProbeFile } from './probe-file.ts';
import { bestDevice, type Device, describePython, type PythonEnvironment, trainerCommand } from './python-environment.ts';
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
}

/** Trains LoRA adapters with TRL, in one Python process for each import and each training. */
export function pythonTrainer(options: PythonTrainerOptions = {}): Trainer {
  const { python = pythonProgram(), threads = cores(), launch, imports = importsFolder() } = options;
  const start = { command: trainerCommand(launch ?? [python]), isLaunched: launch !== undefined };

  let asked: Promise<PythonEnvironment> | undefined;
  const environment = () => (asked ??= describePython(python));
  const device = async (): Promise<Device> =>
    options.device === undefined || options.device === 'auto' ? bestDevice(await environment()) : options.device;

  return {
    async identity() {
      const { versions, platform } = await environment();
      return { ...versions, platform, device: await device(), threads, ...fixedSettings };
    },

    async prepare({ base, folder, probes, ...hooks }) {
      const imported = importedBase(base, imports);
      if (imported.isAccepted()) return null;
      await environment();
      const release = await imported.hold(hooks.signal);
      try {
        if (imported.isAccepted()) return null; // by the process that held it before us
        const workFolder = join(folder, 'import');
        const job = importJob({ gguf: base.path, out: imported.folder, threads, probes });
        await imported.whileReading(() => runJob(job, { ...start, ...hooks, folder: workFolder }));
        return readProbeFile(join(workFolder, 'probe.f32'), probes);
      } finally {
        release();
      }
    },

    async accept(base, parity) {
      importedBase(base, imports).accept(parity);
    },

    async train(spec, { base, startFolder, folder, probes, ...hooks }) {
      const imported = importedBase(base, imports);
      ...
    },
  };
}
