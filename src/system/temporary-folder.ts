import { randomUUID } from 'node:crypto';
import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A place for files that are worth nothing after this process. The folder is made by whoever first writes in it. */
export interface TemporaryFolder {
  readonly path: string;
  remove(): void;
}

const inUse = new Set<string>();

/** What its owner does not remove is removed when the process ends by itself; a killed process leaves what it wrote. */
export function temporaryFolder(): TemporaryFolder {
  if (inUse.size === 0) process.once('exit', removeAll);
  const path = join(tmpdir(), `better-together-${randomUUID()}`);
  inUse.add(path);
  return {
    path,
    remove() {
      rmSync(path, { recursive: true, force: true });
      inUse.delete(path);
      if (inUse.size === 0) process.off('exit', removeAll);
    },
  };
}

function removeAll(): void {
  for (const path of inUse) rmSync(path, { recursive: true, force: true });
}
