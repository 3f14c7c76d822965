import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, expect, test } from 'vitest';
import { gitState } from '../../src/system/surroundings.ts';

const folder = mkdtempSync(join(tmpdir(), 'better-together-git-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const git = async (...args: string[]) => {
  const author = ['-c', 'user.name=A', '-c', 'user.email=a@example.org'];
  return (await execa('git', ['-C', folder, ...author, ...args])).stdout;
};

test('a folder without git has no state', async () => {
  mkdirSync(join(folder, 'plain'));
  expect(await gitState(join(folder, 'plain'))).toBeNull();
});

test('the state of a folder is its commit and what was changed since', async () => {
  await git('init', '--quiet');
  writeFileSync(join(folder, 'metric.ts'), 'one\n');
  await git('add', '.');
  await git('commit', '--quiet', '--message', 'first');
  writeFileSync(join(folder, 'metric.ts'), 'two\n');
  writeFileSync(join(folder, 'new.ts'), '');
  const state = await gitState(folder);
  expect(state).toMatchObject({ commit: await git('rev-parse', 'HEAD'), changed: [' M metric.ts', '?? new.ts'] });
  expect(state?.diff).toContain('-one\n+two');
});
