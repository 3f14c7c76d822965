import { readFile } from 'node:fs/promises';
import type { AdapterFile } from '../../src/core/lm.ts';
import type { LocalModel } from '../../src/lm/llama/local-model.ts';
import { hostsOf } from './host-processes.ts';
import { ask, labelPlan } from './requests.ts';

const answer = labelPlan(['billing', 'delivery']);

/** Asks with one adapter after the other; the megabytes of the model's host after each (Linux). */
export async function memoryOverSwitches(lm: LocalModel, adapters: readonly AdapterFile[], switches: number) {
  const megabytes: number[] = [];
  for (let index = 0; index < switches; index++) {
    const adapter = adapters[index % adapters.length]!;
    await Promise.all(['a', 'b', 'c', 'd'].map((user) => ask(lm, { user, system: 'Be brief.', answer, adapter })));
    megabytes.push(await megabytesOf(lm));
  }
  return megabytes;
}

/** The same after each restart: every other host is ended, the others are killed. Ours is the memory of this process. */
export async function memoryOverRestarts(lm: LocalModel, adapter: AdapterFile, restarts: number) {
  const found: { readonly host: number; readonly ours: number }[] = [];
  for (let index = 0; index <= restarts; index++) {
    await Promise.all(['a', 'b', 'c', 'd'].map((user) => ask(lm, { user, system: 'Be brief.', answer, adapter })));
    found.push({ host: await megabytesOf(lm), ours: process.memoryUsage.rss() / 2 ** 20 });
    if (index % 2 === 0) await lm.release();
    else process.kill((await hostsOf(lm))[0]!, 'SIGKILL');
  }
  return found;
}

async function megabytesOf(lm: LocalModel): Promise<number> {
  const [host] = await hostsOf(lm);
  const status = await readFile(`/proc/${host}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+)/.exec(status)![1]) / 1024;
}
