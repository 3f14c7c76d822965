import { existsSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { WorldError } from '../core/errors.ts';
import { shortId } from '../core/json.ts';
import type { Store } from '../core/store.ts';
import { moveDurably, privateFolder, withFile } from '../system/files.ts';
import { lockHolder, tryLock } from '../system/lock.ts';

/** The part of a store that lies beside the database: adapters, trainings, unfinished work and the runs' locks. Made when first used. */
export function storedFiles(root: string) {
  const place = {
    adapter: (id: string) => join(root, 'adapters', `${checked(id)}.gguf`),
    training: (id: string) => join(root, 'trainings', checked(id)),
    work: (id: string) => join(root, 'work', checked(id)),
    lock: (id: string) => join(root, 'locks', `${checked(id)}.lock`),
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
    holdRun(id) {
      const path = place.lock(id);
      privateFolder(dirname(path));
      const release = tryLock(path);
      if (release) return release;
      throw new WorldError(
        'run-held',
        `Run ${shortId(id)} is being executed by process ${lockHolder(path)} already.`,
        'Wait until that process has ended, or stop it, and run the same command again.',
      );
    },
  } satisfies Partial<Store>;
}

/** Ids become names of files: nothing in them may lead out of the folder. */
function checked(id: string): string {
  if (!/^[\w-]+$/.test(id)) throw new TypeError(`"${id}" is not an id`);
  return id;
}
