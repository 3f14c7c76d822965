import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execaSync } from 'execa';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  betterTogether,
  documentOf,
  eventsOf,
  type RunDocument,
  type Started,
  teams,
  ticketSignature,
  writeTickets,
} from '../support/command-line.ts';

// One small p -> w -> p on the real model with real training, looked at from all sides.

let folder: string;
let data: string;
let whole: Started;
let document: RunDocument;

const threads = ['--threads', '2'];
const run = () => [
  'run',
  '--data',
  data,
  '--signature',
  ticketSignature,
  '--instructions',
  'Route the ticket to the team that should answer it.',
  '--set',
  'p.numCandidatePrograms=1',
  '--set',
  'p.maxLabeledDemos=3',
  // Layouts are tried in test/optimize/layout-search.test.ts.
  '--set',
  'p.chatFormats=[]',
  '--set',
  'p.labelLists=[]',
  '--set',
  'p.demoOrders=[]',
  '--set',
  'w.steps=20',
  '--json',
  ...threads,
];

/** An empty network namespace where the system lets us have one. */
const withoutNetwork =
  execaSync('unshare', ['-rn', 'true'], { reject: false }).exitCode === 0 ? ['unshare', '-rn'] : [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'better-together-loop-'));
  data = writeTickets(folder, { train: 14, val: 8, test: 6 });
  if (withoutNetwork.length === 0) console.log('no network namespaces here: the run is not cut off from the network');
  whole = await betterTogether(run(), { cwd: folder, behind: withoutNetwork });
  document = documentOf(whole);
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('measures baseline, p, p -> w and p -> w -> p, and opens the sealed test for two of them at most', () => {
  expect(whole.exitCode).toBe(0);
  expect(document.status).toBe('done');
  expect(document.candidates.map(({ strategy, val }) => [strategy, val?.n])).toEqual([
    ['', 24],
    ['p', 24],
    ['p -> w', 24],
    ['p -> w -> p', 24],
  ]);
  const opened = document.candidates.filter(({ test }) => test !== null).map(({ strategy }) => strategy);
  expect(opened).toEqual([...new Set(['', document.chosen.strategy])]);
  expect(document.flagCompilationErrorOccurred).toBe(false);
  expect(document.networkAttempts).toBe(0);
});

test('decodes every answer under the grammar, so that none fails to parse', () => {
  expect(document.candidates.map(({ failures }) => failures)).toEqual([0, 0, 0, 0]);
});

test('moves the weights: the adapter alone beats the base on the same prompt', async () => {
  const events = await eventsOf(document.run, folder);
  const measured = new Map(
    events.flatMap((event) =>
      event.type === 'evaluation' && event.split === 'val' ? [[event.candidate, event.mean ?? 0]] : [],
    ),
  );
  const trained = events.find((event) => event.type === 'candidate-proposed' && event.step === 2);
  const afterWeights = trained?.type === 'candidate-proposed' ? measured.get(trained.id) : undefined;
  const baseline = document.candidates[0]?.val?.mean ?? 1;
  expect(afterWeights).toBeGreaterThan(baseline + 0.1);
});

test('serves the adapter only after base, adapter and effect agreed with the trainer', async () => {
  const gates = (await eventsOf(document.run, folder)).flatMap((event) => (event.type === 'gate' ? [event] : []));
  expect(gates.map(({ gate, passed }) => [gate, passed])).toEqual([
    ['base', true],
    ['adapter', true],
    ['effect', true],
  ]);
  expect(Math.max(...gates.slice(0, 2).map(({ parity }) => parity.meanKl))).toBeLessThan(1.5e-2);
  expect(Math.min(...gates.map(({ parity }) => parity.positions))).toBeGreaterThanOrEqual(40);
  expect(gates[2]?.parity.meanKl).toBeGreaterThan(0.05);
});

test('searches the last prompt step with the new weights, no demos among its candidates', async () => {
  const proposed = (await eventsOf(document.run, folder)).flatMap((event) =>
    event.type === 'candidate-proposed' && event.step === 3 ? [event.candidate.predictors.predict] : [],
  );
  expect(proposed.length).toBeGreaterThan(2);
  expect(proposed.every((state) => typeof state?.model.adapter === 'string')).toBe(true);
  expect(proposed.map((state) => state?.demos.length)).toContain(0);
});

test('prints the finished result when it is run again', async () => {
  const again = await betterTogether(run(), { cwd: folder });
  expect(again.exitCode).toBe(0);
  expect(documentOf(again)).toEqual(document);
});

test('saves a program that predict and evaluate use', async () => {
  const asked = await betterTogether(
    ['predict', document.chosen.program, '--input', '{"ticket": "My parcel never came."}', '--json', ...threads],
    { cwd: folder },
  );
  expect(teams).toContain(documentOf<{ outputs: { team: string } }>(asked).outputs.team);
  const measured = await betterTogether(['evaluate', document.chosen.program, '--data', data, '--json', ...threads], {
    cwd: folder,
  });
  const chosen = document.candidates.find(({ strategy }) => strategy === document.chosen.strategy);
  expect(documentOf<{ score: unknown }>(measured).score).toEqual(chosen?.test);
});

test('goes on after Ctrl-C and after being killed among calls, in training and while the adapter is checked', async () => {
  const elsewhere = mkdtempSync(join(folder, 'killed-'));
  const interrupted = await betterTogether(run(), { cwd: elsewhere, interruptAt: 'labelled demos' });
  expect(interrupted.exitCode).toBe(130);
  for (const killAt of ['random demos', 'training: step 1', 'checking the adapter']) {
    const killed = await betterTogether(run(), { cwd: elsewhere, killAt });
    expect(killed.exitCode).toBeUndefined();
  }
  const resumed = documentOf(await betterTogether(run(), { cwd: elsewhere }));
  expect(resumed.digest).toBe(document.digest);
  expect(resumed.calls.made).toBe(document.calls.made);
  expect(resumed.starts).toHaveLength(5);
});
