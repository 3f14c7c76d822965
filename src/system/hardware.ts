import { existsSync } from 'node:fs';
import { availableParallelism, loadavg, totalmem } from 'node:os';
import { outputOf } from './process.ts';

export interface Hardware {
  /** Logical cores that this process may use. */
  readonly cores: number;
  /** Cores that nobody used in the last minute, at least 1. */
  readonly freeCores: number;
  readonly memoryBytes: number;
  readonly freeMemoryBytes: number;
  /** A GPU that is there, whether or not anything can use it. */
  readonly gpu: 'cuda' | 'metal' | null;
}

export const cores = (): number => availableParallelism();

/** What this machine has. Part of it changes from minute to minute: choose once, at a run's first start. */
export async function hardware(): Promise<Hardware> {
  const load = loadavg()[0] ?? 0;
  return {
    cores: cores(),
    freeCores: Math.max(1, Math.round(cores() - load)),
    // A container's limit, where there is one, counts instead of the machine's size.
    memoryBytes: Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY),
    freeMemoryBytes: process.availableMemory(),
    gpu: await findGpu(),
  };
}

async function findGpu(): Promise<Hardware['gpu']> {
  if (process.platform === 'darwin') return process.arch === 'arm64' ? 'metal' : null;
  if (existsSync('/proc/driver/nvidia/version')) return 'cuda';
  const { exitCode, stdout } = await outputOf({ program: 'nvidia-smi', args: ['--list-gpus'], environment: {} });
  return exitCode === 0 && stdout.includes('GPU ') ? 'cuda' : null;
}
