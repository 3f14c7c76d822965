import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { DataReport } from '../../src/core/data-report.ts';
import { betterTogether, documentOf } from '../support/command-line.ts';
import { writeTinyModel } from '../support/tiny-model.ts';

// Native code is loaded, which takes its time on a busy machine.
vi.setConfig({ testTimeout: 300_000 });

let folder: string;
const signature = "ticket -> team: 'billing' | 'delivery'";

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'better-together-check-'));
  const rows = [
    ['The courier lost my parcel somewhere.', 'delivery', 'train'],
    ['I was charged two times for one kettle.', 'billing', 'train'],
    ['I was CHARGED two times, for one kettle!', 'billing', 'test'],
  ].map(([ticket, team, split]) => JSON.stringify({ ticket, team, split }));
  writeFileSync(join(folder, 'leaky.jsonl'), rows.join('\n'));
  writeFileSync(join(folder, 'clean.jsonl'), rows.slice(0, 2).join('\n'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const check = (...args: string[]) => betterTogether(['check', '--signature', signature, ...args], { cwd: folder });
const fact = 'leaky.jsonl:2 (train), leaky.jsonl:3 (test): the same inputs but for case and punctuation';

test('check names file and line of a test row that stands in train, and exits as the run would', async () => {
  const { stdout, exitCode } = await check('--data', 'leaky.jsonl');
  expect(stdout).toContain(fact);
  expect(exitCode).toBe(2);
});

test('check --json prints splits and findings', async () => {
  const report = documentOf<DataReport>(await check('--data', 'leaky.jsonl', '--json'));
  expect(report.splits.test).toEqual({ rows: 1, labels: {} });
  expect(report.findings.map((finding) => [finding.kind, finding.fact])).toEqual([['test-leak', fact]]);
});

test('check says that there is nothing to say', async () => {
  const { stdout, exitCode } = await check('--data', 'clean.jsonl', '--test-ratio', '0');
  expect(stdout).toContain('Nothing was found');
  expect(exitCode).toBe(0);
});

test('run refuses what check finds before anything is asked, and goes on with --allow-leaks', async () => {
  const gguf = writeTinyModel(join(folder, 'tiny.gguf'));
  const given = ['--data', 'leaky.jsonl', '--val-ratio', '0', '--model', gguf, '--threads', '1'];
  const args = ['run', '--signature', signature, ...given, '--strategy', 'l', '--optimizer', 'l=labeledFewShot'];
  const refused = await betterTogether(args, { cwd: folder });
  expect(refused.stderr).toContain(fact);
  expect(refused.exitCode).toBe(2);
  const done = await betterTogether([...args, '--allow-leaks', '--json'], { cwd: folder });
  expect(documentOf(done).notices.map(({ code }) => code)).toContain('test-leak');
  expect(done.stderr).toContain(fact);
});
