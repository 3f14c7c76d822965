import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { WorldError } from '../../core/errors.ts';
import { freeBytes } from '../../system/files.ts';

/** Refuses to start what would fill the disk; the folder need not be there yet. */
export function requireSpace(folder: string, neededBytes: number, free: (folder: string) => number = freeBytes): void {
  const freeNow = free(nearestExisting(folder));
  if (freeNow >= neededBytes) return;
  throw new WorldError(
    'disk-full',
    `${folder} needs ${gigabytes(neededBytes)} of disk space; ${gigabytes(freeNow)} are free.`,
    'Make room there, then run the same command again.',
  );
}

const nearestExisting = (folder: string): string => (existsSync(folder) ? folder : nearestExisting(dirname(folder)));

const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`;
