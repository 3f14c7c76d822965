import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { betterTogether, documentOf, type RunDocument } from '../support/command-line.ts';

// The demo itself: about ten minutes for the undisturbed run and as many again, in pieces, for the killed one.

let folder: string;
let undisturbed: RunDocument;

const demo = (seed: number) => ['demo', '--json', '--threads', '2', '--seed', String(seed)];

const run = async (name: string, seed: number) => {
  const cwd = mkdtempSync(join(folder, name));
  return documentOf(await betterTogether(demo(seed), { cwd }));
};

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'better-together-kills-'));
  undisturbed = await run('undisturbed-', 1);
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('ends with the same digest after ten kills, and repeats no remembered call', async () => {
  const cwd = mkdtempSync(join(folder, 'killed-'));
  // During calls, between steps, while importing, in the middle of training, while the adapter is loaded and checked, and at the very end.
  const moments = [
    'baseline: ',
    'step 1',
    'labelled demos:',
    'no demos, calibrated:',
    'step 2',
    'preparing the base',
    'training: step 1',
    'training: step 5',
    'checking the adapter',
    'sealed test',
  ];
  for (const killAt of moments) expect((await betterTogether(demo(1), { cwd, killAt })).exitCode).toBeUndefined();
  const resumed = documentOf(await betterTogether(demo(1), { cwd }));
  expect(resumed.digest).toBe(undisturbed.digest);
  expect(resumed.calls.made).toBe(undisturbed.calls.made);
  expect(resumed.chosen.strategy).toBe(undisturbed.chosen.strategy);
  expect(resumed.starts).toHaveLength(moments.length + 1);
});

test('gives the same digest for the same seed in a fresh folder, and another for another seed', async () => {
  const again = await run('again-', 1);
  expect(again.digest).toBe(undisturbed.digest);
  const other = await run('other-', 2);
  expect(other.digest).not.toBe(undisturbed.digest);
});

test('gains at least 25 points on the sealed test, intervals apart', () => {
  const baseline = undisturbed.candidates[0]?.test;
  const chosen = undisturbed.candidates.find(({ strategy }) => strategy === undisturbed.chosen.strategy)?.test;
  expect(chosen?.n).toBeGreaterThanOrEqual(200);
  expect((chosen?.mean ?? 0) - (baseline?.mean ?? 1)).toBeGreaterThanOrEqual(0.25);
  expect(chosen?.low ?? 0).toBeGreaterThan(baseline?.high ?? 1);
});
