import { existsSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { StepError, WorldError } from '../core/errors.ts';
import type { BaseModel } from '../core/lm.ts';
import type { Parity, TrainOptions } from '../core/trainer.ts';
import { privateFolder, withFile, writePrivately } from '../system/files.ts';
import { waitForLock } from '../system/lock.ts';
import type { BaseFolder } from './base-folder.ts';
import type { ImportDtype } from './job.ts';

// IMPORTER_VERSION in python-trainer's imported.py, which refuses a folder of another one.
export const importerVersion = 2;

/** A base model in the form that the trainer reads: made once, kept for all runs, and used only after it passed the parity gate. */
export interface ImportedBase {
  readonly folder: string;
  isAccepted(): boolean;
  accept(parity: Parity): void;
  /** One process at a time: an import takes the whole model's memory, and two would write the same files. */
  hold(hooks: Pick<TrainOptions, 'signal' | 'onPhase'>): Promise<() => void>;
  /** Does something that reads the folder; one that turns out to be damaged is removed, so that the next try makes it again. */
  whileReading(action: () => Promise<void>): Promise<void>;
}

export interface ImportKind {
  readonly dtype: ImportDtype;
  readonly baseFolder: BaseFolder | null;
}

export function importedBase(base: BaseModel, importsFolder: string, { dtype, baseFolder }: ImportKind): ImportedBase {
  const weights = baseFolder === null ? '' : `-${baseFolder.sha256.slice(0, 16)}`;
  const folder = join(importsFolder, `${base.sha256}-${importerVersion}-${dtype}${weights}`);
  const acceptance = join(folder, 'accepted.json');
  return {
    folder,
    isAccepted: () => existsSync(acceptance),
    accept: (parity) => writePrivately(acceptance, JSON.stringify(parity)),
    hold({ signal, onPhase }) {
      const onWait = (holder: string) => onPhase?.(`waiting for process ${holder}, which imports the same model`);
      return waitForLock(`${privateFolder(importsFolder)}/${basename(folder)}.lock`, { signal, onWait });
    },
    async whileReading(action) {
      try {
        await action();
      } catch (error) {
        if (!(error instanceof StepError && error.code === 'bad-base')) throw error;
        withFile(folder, () => rmSync(folder, { recursive: true, force: true }));
        throw new WorldError(
          'import-damaged',
          `The imported base model was damaged, and is removed: ${error.message}`,
          'Run the same command again: the model is imported once more, and nothing computed so far is lost.',
          { cause: error },
        );
      }
    },
  };
}
