import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Interrupted } from '../core/errors.ts';
import { now } from '../system/clock.ts';
import { privateFolder } from '../system/files.ts';
import { importsFolder, modelsFolder, pythonFolder, trainerSource } from '../system/folders.ts';
import { defaultModel } from './setup/default-model.ts';
import { requirePlatform } from './setup/platform.ts';
import { pythonEnvironment } from './setup/python-environment.ts';
import type { Step, Work } from './setup/step.ts';
import { screenOn } from './setup/terminal.ts';

/** The folders that set-up reads and fills. */
export interface SetupPlace {
  /** Holds requirements.lock and the Python package `better_together_trainer`. */
  readonly trainer: string;
  /** Holds manifest.json and requirements.lock of the models. */
  readonly modelSource: string;
  readonly python: string;
  readonly models: string;
  readonly scratch: string;
}

export interface SetupOptions {
  /** Gets each line as it is finished. */
  readonly onLine: (line: string) => void;
  /** Gets what is going on right now, to be shown and forgotten. */
  readonly onProgress?: (status: string) => void;
  readonly signal?: AbortSignal;
  readonly place?: SetupPlace;
  /** For the programs that are started, on top of this process's own environment. */
  readonly environment?: Readonly<Record<string, string>>;
}

/**
 * Makes the trainer's Python environment and the default model where they are missing; false when everything was there.
 * Afterwards nothing of ours needs the network. Throws an `InputError` for a missing tool, a `WorldError` for trouble with network or disk,
 * and `Interrupted`; whatever was finished by then is kept.
 */
export async function setUp(options: SetupOptions): Promise<boolean> {
  const { onLine, onProgress = () => {}, signal = new AbortController().signal, place = usualPlace() } = options;
  const steps = stepsIn(place);
  if (steps.every((step) => step.isReady())) return false;
  requirePlatform();
  const scratch = privateFolder(place.scratch);
  const { waitForLock } = await import('../system/lock.ts'); // loads SQLite, which most starts do not need
  // Two at once would fill the same folders: the second waits, and then finds everything there.
  const onWait = (holder: string): void => onLine(`Another set-up (process ${holder}) is at work; waiting for it.`);
  const release = await waitForLock(join(scratch, 'setup.lock'), { signal, onWait });
  try {
    const work: Work = { onProgress, signal, environment: options.environment ?? {}, scratch };
    for (const step of steps) await makeUnlessReady(step, work, onLine);
  } finally {
    release();
  }
  return true;
}

/** `setUp` with its lines, and on a terminal a spinner, on `stream`. */
export async function setUpInTerminal(stream: NodeJS.WriteStream, signal: AbortSignal): Promise<boolean> {
  const { close, ...screen } = screenOn(stream);
  try {
    return await setUp({ ...screen, signal });
  } finally {
    close();
  }
}

function usualPlace(): SetupPlace {
  return {
    trainer: trainerSource(),
    // src/cli and dist/cli lie equally deep.
    modelSource: fileURLToPath(new URL('../../models', import.meta.url)),
    python: pythonFolder(),
    models: modelsFolder(),
    scratch: dirname(importsFolder()),
  };
}

const stepsIn = ({ trainer, modelSource, python, models }: SetupPlace): readonly Step[] => [
  pythonEnvironment(python, join(trainer, 'requirements.lock')),
  defaultModel({
    folder: models,
    manifestFile: join(modelSource, 'manifest.json'),
    lockFile: join(modelSource, 'requirements.lock'),
    pythonFolder: python,
    trainer,
  }),
];

async function makeUnlessReady(step: Step, work: Work, onLine: (line: string) => void): Promise<void> {
  if (work.signal.aborted) throw new Interrupted();
  if (step.isReady()) return;
  const started = now();
  onLine(`… ${step.title} (${step.before})`);
  const madeWith = await step.make({ ...work, onProgress: (status) => work.onProgress(`${step.title}: ${status}`) });
  onLine(`✓ ${step.title} (${madeWith}), ${((now() - started) / 1000).toFixed(1)} s`);
}
