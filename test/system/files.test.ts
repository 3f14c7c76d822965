import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { WorldError } from '../../src/core/errors.ts';
import {
  fileError,
  freeBytes,
  moveDurably,
  privateFolder,
  sha256OfFile,
  tailOfFile,
  writePrivately,
} from '../../src/system/files.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'better-together-files-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

test('a file is written whole, for this user only, and nothing is left beside it', () => {
  const path = join(folder, 'program.json');
  writePrivately(path, 'old');
  writePrivately(path, 'new');
  expect([readFileSync(path, 'utf8'), statSync(path).mode & 0o777, readdirSync(folder)]).toEqual([
    'new',
    0o600,
    ['program.json'],
  ]);
});

test('a file that cannot be written leaves nothing behind', () => {
  const path = join(folder, 'taken');
  mkdirSync(path);
  expect(() => writePrivately(path, 'text')).toThrow(WorldError);
  expect(readdirSync(folder)).toEqual(['taken']);
});

test('a folder is made with all above it, for this user only', () => {
  const path = privateFolder(join(folder, 'a', 'b'));
  expect([statSync(path).mode & 0o777, statSync(join(folder, 'a')).mode & 0o777]).toEqual([0o700, 0o700]);
  expect(privateFolder(path)).toBe(path);
});

test('a folder is moved with what is in it', () => {
  mkdirSync(join(folder, 'from'));
  writeFileSync(join(folder, 'from', 'weights'), 'w');
  moveDurably(join(folder, 'from'), join(folder, 'to'));
  expect([existsSync(join(folder, 'from')), readFileSync(join(folder, 'to', 'weights'), 'utf8')]).toEqual([false, 'w']);
});

test('the sha256 of a file is that of its bytes', async () => {
  const path = join(folder, 'abc');
  writeFileSync(path, 'abc');
  expect(await sha256OfFile(path)).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
  await expect(sha256OfFile(join(folder, 'none'))).rejects.toThrow(`There is no ${join(folder, 'none')}`);
});

test('the tail of a log is its end, all of a short one, and nothing when there is none', () => {
  const path = join(folder, 'log');
  writeFileSync(path, 'first line\nlast line');
  expect([tailOfFile(path, 9), tailOfFile(path, 100), tailOfFile(join(folder, 'none'), 9)]).toEqual([
    'last line',
    'first line\nlast line',
    '',
  ]);
});

test('free space is counted in bytes', () => {
  expect(freeBytes(folder)).toBeGreaterThan(0);
});

describe('an error of the operating system says the file, the fact and the remedy:', () => {
  const systemError = (code: string) => Object.assign(new Error(`${code}: text`), { code, errno: -1 });

  test.each([
    ['ENOSPC', 'disk-full', 'The disk is full: there is no room for /x.'],
    ['EDQUOT', 'disk-full', 'The disk is full: there is no room for /x.'],
    ['EACCES', 'file-forbidden', 'This user may not use /x.'],
    ['EROFS', 'file-forbidden', 'This file system is read-only: /x.'],
    ['ENOENT', 'file-missing', 'There is no /x.'],
    ['EIO', 'file-error', '/x cannot be used: EIO: text.'],
  ])('%s', (code, ours, message) => {
    expect(fileError(systemError(code), '/x')).toMatchObject({
      code: ours,
      message,
      hint: expect.stringContaining('nothing computed so far is lost'),
      cause: expect.objectContaining({ code }),
    });
  });

  test('any other error stays what it is', () => {
    const error = new TypeError('ours');
    expect(fileError(error, '/x')).toBe(error);
  });
});
