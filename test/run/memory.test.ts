import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { WorldError } from '../../src/core/errors.ts';
import type { LanguageModel } from '../../src/core/lm.ts';
import type { Store } from '../../src/core/store.ts';
import { memoryStore, sqliteStore } from '../../src/store/sqlite-store.ts';
import { memoryOf, question } from '../support/memory.ts';
import { type ScriptedModel, scriptedModel } from '../support/scripted-model.ts';
import { startProgram } from '../system/program.ts';

const answering = new URL('./answering.ts', import.meta.url);

let folder: string;
let path: string;
let store: Store;
let model: ScriptedModel;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'better-together-memory-'));
  path = join(folder, 'runs.sqlite');
  store = memoryStore();
  model = scriptedModel(({ prompt }) => [`${prompt.user}!`]);
});
afterEach(() => {
  store.close();
  rmSync(folder, { recursive: true });
});

test('an answer is handed out after it was journaled, not before', async () => {
  const steps: string[] = [];
  const slow: Store = {
    ...store,
    async rememberCall(key, call) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      await store.rememberCall(key, call);
      steps.push('journaled');
    },
  };
  await memoryOf(slow, model)
    .answer(question('a'))
    .then(() => steps.push('used'));
  expect(steps).toEqual(['journaled', 'used']);
});

test('equal questions in flight share one answer, and later ones remember it', async () => {
  const memory = memoryOf(store, model);
  const [first, ...shared] = await Promise.all([1, 2, 3].map(() => memory.answer(question('a'))));
  const later = await memory.answer(question('a'));
  expect([...shared, later]).toEqual([first, first, first]);
  expect(model.requests).toHaveLength(1);
  expect(memory.counts()).toEqual({ requested: 4, made: 1, remembered: 1, shared: 2 });
});

test('an error of the disk reaches everyone who waits, and the question can be asked again', async () => {
  const full = new WorldError('disk-full', 'The disk is full.', 'Make room.');
  let isFull = true;
  const disk: Store = {
    ...store,
    rememberCall: async (...call) => (isFull ? Promise.reject(full) : store.rememberCall(...call)),
  };
  const { answer } = memoryOf(disk, model);
  const settled = await Promise.allSettled(['a', 'a', 'b', 'c'].map((user) => answer(question(user))));
  expect(settled).toEqual(Array(4).fill({ status: 'rejected', reason: full }));
  isFull = false;
  expect(await answer(question('a'))).toMatchObject({ pieces: ['a!'] });
});

test('an error of the model reaches everyone who waits, and nothing is remembered', async () => {
  const dead: LanguageModel = { ...model, generate: () => Promise.reject(new Error('dead host')) };
  const { answer } = memoryOf(store, dead);
  const settled = await Promise.allSettled([answer(question('a')), answer(question('a'))]);
  expect(settled.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  expect(store.callTotals('run').made).toBe(0);
});

test('a process that is killed in the middle loses no answer that was handed out', async () => {
  const killed = startProgram(answering, [path, '8']);
  const used: string[] = [];
  while (used.length < 500) used.push((await killed.line()) ?? '');
  killed.process.kill('SIGKILL');
  used.push(...(await killed.rest()));
  const survived = sqliteStore(path);
  const silent: LanguageModel = { ...model, generate: () => Promise.reject(new Error('asked again')) };
  const memory = memoryOf(survived, silent);
  const answers = await Promise.all(used.map((user) => memory.answer(question(user))));
  expect(answers.map((answer) => answer.failure === null && answer.pieces[0])).toEqual(used.map((user) => `${user}!`));
  // What was journaled and not yet used is at most what was in flight.
  expect(survived.callTotals('run').made - used.length).toBeLessThanOrEqual(8);
  survived.close();
});
