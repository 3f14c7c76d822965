import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';

/** A way to run a program with no more memory than so much. */
export interface MemoryLimit {
  /** What holds it. */
  readonly kind: 'cgroup v2' | 'cgroup v1' | 'RLIMIT_DATA';
  /** A shell line that puts the shell itself under the limit. */
  readonly enter: string;
  remove(): void;
}

/**
 * cgroups count everything, pages of mapped files too, which the system takes back when the limit is near. They need the right to make one;
 * without it RLIMIT_DATA holds what the program allocates. (RLIMIT_AS would count mapped files that are not in memory at all.)
 */
export function limitMemory(bytes: number): MemoryLimit {
  const name = `better-together-test-${process.pid}`;
  const v2 = { kind: 'cgroup v2', folder: join('/sys/fs/cgroup', name), limit: 'memory.max' } as const;
  const v1 = {
    kind: 'cgroup v1',
    folder: join('/sys/fs/cgroup/memory', name),
    limit: 'memory.limit_in_bytes',
  } as const;
  for (const { kind, folder, limit } of [v2, v1]) {
    if (!tried(() => mkdirSync(folder))) continue;
    const isHeld = existsSync(join(folder, limit)) && tried(() => writeFileSync(join(folder, limit), `${bytes}`));
    const remove = () => rmdirSync(folder);
    if (isHeld) return { kind, enter: `echo $$ > ${folder}/cgroup.procs`, remove };
    remove();
  }
  return { kind: 'RLIMIT_DATA', enter: `ulimit -d ${Math.floor(bytes / 1024)}`, remove: () => {} };
}

function tried(action: () => void): boolean {
  try {
    action();
    return true;
  } catch {
    return false;
  }
}

/** Runs a program to its end under the limit; resolves to the most memory of its own that it had, mapped files aside. */
export async function peakUnder(
  limit: MemoryLimit,
  program: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
): Promise<number> {
  const running = execa('bash', ['-c', `${limit.enter} && exec "$@"`, 'bash', program, ...args], { env: environment });
  let peak = 0;
  const look = setInterval(() => {
    peak = Math.max(peak, ownBytes(running.pid));
  }, 50);
  try {
    await running;
  } finally {
    clearInterval(look);
  }
  return peak;
}

function ownBytes(pid: number | undefined): number {
  const path = `/proc/${pid}/status`;
  const status = existsSync(path) ? readFileSync(path, 'utf8') : '';
  return 1024 * Number(/^RssAnon:\s+(\d+)/m.exec(status)?.[1] ?? 0);
}
