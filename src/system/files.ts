import { createHash } from 'node:crypto';
import {
  closeSync,
  createReadStream,
  existsSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { WorldError } from '../core/errors.ts';

/** Makes a folder, and those above it that are missing, for this user only; returns its path. */
export function privateFolder(path: string): string {
  withFile(path, () => mkdirSync(path, { recursive: true, mode: 0o700 }));
  return path;
}

/** Writes a file for this user only. Whatever happens, `path` holds either what it held before or all of `content`. */
export function writePrivately(path: string, content: string | Uint8Array): void {
  // Named after the process: two that write the same file at once must not share the unfinished one.
  const unfinished = `${path}.${process.pid}.partial`;
  withFile(path, () => {
    try {
      writeFileSync(unfinished, content, { mode: 0o600, flush: true });
      renameSync(unfinished, path);
    } finally {
      rmSync(unfinished, { force: true });
    }
  });
}

/** Moves a file or folder of the same file system; once `target` exists it is whole and on disk. */
export function moveDurably(source: string, target: string): void {
  withFile(target, () => {
    syncToDisk(source);
    renameSync(source, target);
    syncToDisk(dirname(target));
  });
}

/** Hexadecimal sha256 of a file's content, read as a stream. */
export async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  try {
    await pipeline(createReadStream(path), hash);
  } catch (error) {
    throw fileError(error, path);
  }
  return hash.digest('hex');
}

/** The last `bytes` of a file as text; empty when there is no such file. */
export function tailOfFile(path: string, bytes: number): string {
  if (!existsSync(path)) return '';
  return withFile(path, () => {
    const file = openSync(path, 'r');
    try {
      const { size } = fstatSync(file);
      const tail = Buffer.alloc(Math.min(bytes, size));
      readSync(file, tail, 0, tail.length, size - tail.length);
      return tail.toString('utf8');
    } finally {
      closeSync(file);
    }
  });
}

/** Bytes that this user may still write in the file system of an existing folder. */
export function freeBytes(folder: string): number {
  const { bavail, bsize } = withFile(folder, () => statfsSync(folder));
  return bavail * bsize;
}

/** Runs one use of a file, and throws what goes wrong with it as an error that names the file and the remedy. */
export function withFile<Result>(path: string, use: () => Result): Result {
  try {
    return use();
  } catch (error) {
    throw fileError(error, path);
  }
}

/** The error of the operating system in our words; one that is not the operating system's is returned as it is. */
export function fileError(error: unknown, path: string): unknown {
  if (!(error instanceof Error && 'code' in error && 'errno' in error)) return error;
  const remedy = remedies.get(String(error.code));
  if (!remedy) {
    return new WorldError('file-error', `${path} cannot be used: ${error.message}.`, kept('Look at the disk.'), {
      cause: error,
    });
  }
  return new WorldError(remedy.code, `${remedy.fact} ${path}.`, kept(remedy.hint), { cause: error });
}

const full = { code: 'disk-full', fact: 'The disk is full: there is no room for', hint: 'Make room.' };
const forbidden = { code: 'file-forbidden', fact: 'This user may not use', hint: 'Change its permissions.' };

const remedies: ReadonlyMap<string, { readonly code: string; readonly fact: string; readonly hint: string }> = new Map([
  ['ENOSPC', full],
  ['EDQUOT', full],
  ['EFBIG', full],
  ['EACCES', forbidden],
  ['EPERM', forbidden],
  [
    'EROFS',
    { code: 'file-forbidden', fact: 'This file system is read-only:', hint: 'Name a place that can be written.' },
  ],
  ['ENOENT', { code: 'file-missing', fact: 'There is no', hint: 'Put it back.' }],
]);

/** The remedy for whatever the disk does to a run: each answer was stored before it was used. */
export const kept = (hint: string): string =>
  `${hint} Then run the same command again: nothing computed so far is lost.`;

function syncToDisk(path: string): void {
  const file = openSync(path, 'r');
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
