import { existsSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Store } from '../core/store.ts';
import { moveDurably, privateFolder, withFile } from '../system/files.ts';
import type { HoldRun } from './run-locks.ts';

/** The part of a store that lies beside the database: adapters, trainings, merged models and unfinished work. Made when first used. */
export function storedFiles(root: string, holdRun: HoldRun) {
  const place = {
    adapter: (id: string) => join(root, 'adapters', `${checked(id)}.gguf`),
    training: (id: string) => join(root, 'trainings', checked(id)),
    merged: (id: string) => join(root, 'merged', `${checked(id)}.gguf`),
    work: (id: string) => join(root, 'work', checked(id)),
  };

  return {
    keepFile(kind, id, source) {
      const target = place[kind](id);
      privateFolder(dirname(target));
      // Equal id, equal content: what lies there already may be in use, and stays.
      if (existsSync(target)) withFile(source, () => rmSync(source, { recursive: true }));
      else moveDurably(source, target);
      return target;
    },
    file(kind, id) {
      const path = place[kind](id);
      return existsSync(path) ? path : undefined;
    },
    workFolder: (id) => privateFolder(place.work(id)),
    dropWorkFolder(id) {
      const path = place.work(id);
      withFile(path, () => rmSync(path, { recursive: true, force: true }));
    },
    holdRun: (id) => holdRun(checked(id)),
  } satisfies Partial<Store>;
}

/** Ids become names of files: nothing in them may lead out of the folder. */
function checked(id: string): string {
  if (!/^[\w-]+$/.test(id)) throw new TypeError(`"${id}" is not an id`);
  return id;
}
