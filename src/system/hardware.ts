import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, freemem } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';

/** Logical cores that this process may use. */
export const cores = (): number => availableParallelism();

/** Memory that can be had without taking it from anyone. */
export const freeMemoryBytes = (): number => freemem();

const sampleMs = 250;

/**
 * Cores that nobody uses right now, at least 1: measured over a quarter of a second. The load average would still count the set-up or the
 * compilation that ended a minute ago.
 */
export async function idleCores(): Promise<number> {
  const before = cpus();
  await delay(sampleMs);
  const idle = cpus().reduce((sum, { times }, index) => sum + idleShare(before[index]?.times ?? times, times), 0);
  return Math.min(cores(), Math.max(1, Math.round(idle)));
}

type Times = ReturnType<typeof cpus>[number]['times'];

function idleShare(before: Times, after: Times): number {
  const total = (times: Times) => Object.values(times).reduce((sum, milliseconds) => sum + milliseconds, 0);
  return (after.idle - before.idle) / Math.max(1, total(after) - total(before));
}

/** Whether this CPU multiplies bfloat16 matrices itself. What cannot be asked counts as no. */
export function hasNativeBfloat16(): boolean {
  if (process.platform !== 'linux') return false;
  return /^(flags|Features)\s*:.*\b(avx512_bf16|amx_bf16|bf16)\b/m.test(readFileSync('/proc/cpuinfo', 'utf8'));
}
