import { readdir, readFile, realpath } from 'node:fs/promises';
import type { LanguageModel } from '../../src/core/lm.ts';

/** The model host processes that are ours and have this model open (Linux). */
export async function hostsOf({ base }: Pick<LanguageModel, 'base'>): Promise<number[]> {
  const path = await realpath(base.path);
  const pids = (await readdir('/proc')).map(Number).filter((pid) => pid > 0);
  const found = await Promise.all(pids.map(async (pid) => ((await isHostOf(pid, path)) ? [pid] : [])));
  return found.flat();
}

async function isHostOf(pid: number, model: string): Promise<boolean> {
  try {
    const status = await readFile(`/proc/${pid}/status`, 'utf8');
    if (!status.includes(`\nPPid:\t${process.pid}\n`)) return false;
    return (await readFile(`/proc/${pid}/maps`, 'utf8')).includes(model);
  } catch {
    return false; // ended meanwhile
  }
}
