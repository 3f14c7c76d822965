import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Interrupted } from '../../src/core/errors.ts';
import { lockHolder, tryLock, waitForLock } from '../../src/system/lock.ts';
import { startProgram } from './program.ts';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'better-together-lock-'));
  path = join(folder, 'a.lock');
});
afterEach(() => rmSync(folder, { recursive: true }));

test('one holder at a time, in one process too', () => {
  const release = tryLock(path);
  expect([tryLock(path), lockHolder(path)]).toEqual([null, String(process.pid)]);
  release?.();
  const again = tryLock(path);
  expect(again).not.toBeNull();
  again?.();
});

test('a killed holder holds nothing', async () => {
  const other = startProgram(new URL('./lock-holder.ts', import.meta.url), [path]);
  expect(await other.line()).toBe('held');
  expect([tryLock(path), lockHolder(path)]).toEqual([null, String(other.process.pid)]);
  other.process.kill('SIGKILL');
  await other.rest();
  const release = tryLock(path);
  expect(release).not.toBeNull();
  release?.();
});

test('who waits is told for whom, and gets the lock when it is let go', async () => {
  const release = tryLock(path);
  const holders: string[] = [];
  const waiting = waitForLock(path, {
    onWait(holder) {
      holders.push(holder);
      release?.();
    },
  });
  (await waiting)();
  expect(holders).toEqual([String(process.pid)]);
});

test('waiting can be given up', async () => {
  const stop = new AbortController();
  const release = tryLock(path);
  await expect(waitForLock(path, { signal: stop.signal, onWait: () => stop.abort() })).rejects.toThrow(Interrupted);
  release?.();
});
