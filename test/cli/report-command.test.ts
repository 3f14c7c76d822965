import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { shortId } from '../../src/core/json.ts';
import { sqliteStore } from '../../src/store/sqlite-store.ts';
import { betterTogether, documentOf } from '../support/command-line.ts';
import { reportedRun } from '../support/reported-run.ts';

let folder: string;
let runs: readonly string[];
const store = () => join(folder, 'runs.sqlite');
const command = (...args: string[]) => betterTogether([...args, '--store', store()], { cwd: folder });

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'better-together-report-'));
  const open = sqliteStore(store());
  const both = await reportedRun(open);
  const prompts = await reportedRun(open, { strategy: 'p' });
  open.close();
  runs = [both.id, prompts.id];
});
afterAll(() => rmSync(folder, { recursive: true }));

test('report writes a page beside the store, for this user only, and writes it anew', async () => {
  const file = join(folder, 'reports', `${shortId(runs[0]!)}.html`);
  const first = await command('report', runs[0]!.slice(0, 8), '--json');
  const { size, mode } = statSync(file);
  expect(documentOf(first)).toEqual({ run: runs[0], file, bytes: size });
  expect(mode & 0o777).toBe(0o600);
  const second = await command('report', runs[0]!);
  expect([second.exitCode, second.stdout]).toEqual([0, `Report: ${file}`]);
});

test('report and compare leave a file alone that is not theirs', async () => {
  const file = join(folder, 'mine.html');
  writeFileSync(file, '<!doctype html>');
  const refused = [await command('report', runs[0]!, '--out', file), await command('compare', ...runs, '--html', file)];
  expect(refused.map(({ exitCode, stderr }) => [exitCode, stderr.includes('mine.html is there already')])).toEqual([
    [2, true],
    [2, true],
  ]);
  expect(readFileSync(file, 'utf8')).toBe('<!doctype html>');
});

test('compare prints the comparison and writes it as a page on request', async () => {
  const file = join(folder, 'compared.html');
  const { exitCode, stdout } = await command('compare', ...runs, '--html', file);
  expect([exitCode, stdout.includes('In what the experiments differ')]).toEqual([0, true]);
  expect(readFileSync(file, 'utf8')).toContain('Won and lost');
  const { pairs } = documentOf<{ pairs: readonly object[] }>(await command('compare', ...runs, '--json'));
  expect(pairs).toMatchObject([{ run: runs[1], split: 'test', shared: 20 }]);
});

test('compare wants two different runs', async () => {
  const refused = [await command('compare', runs[0]!), await command('compare', runs[0]!, runs[0]!)];
  expect(refused.map(({ exitCode, stderr }) => [exitCode, stderr.split('\n')[0]])).toEqual([
    [2, 'Only one run is named.'],
    [2, 'A run is named twice.'],
  ]);
});
