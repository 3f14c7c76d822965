import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { predict } from '../../src/core/callable.ts';
import { candidateId } from '../../src/core/candidate.ts';
import { signature } from '../../src/core/signature.ts';
import { exactMatch } from '../../src/evaluate/metrics.ts';
import { bootstrapFinetune } from '../../src/optimize/bootstrap-finetune.ts';
import { knnFewShot } from '../../src/optimize/knn-few-shot.ts';
import { betterTogetherOver } from '../../src/run/better-together.ts';
import { callOrigin } from '../../src/run/call-origin.ts';
import type { CompileOptions } from '../../src/run/compile-options.ts';
import { readProgram, saveProgram } from '../../src/store/program-file.ts';
import { sqliteStore } from '../../src/store/sqlite-store.ts';
import { type ScriptedModel, scriptedModel } from '../support/scripted-model.ts';
import { scriptedTrainer } from '../support/scripted-trainer.ts';

const routing = signature("ticket -> team: 'billing' | 'delivery'", 'Route it.');
const rows = (first: number, end: number) =>
  Array.from({ length: end - first }, (_, index) => {
    const isParcel = index % 2 === 0;
    return {
      ticket: `case ${first + index}: ${isParcel ? 'a parcel is late' : 'the invoice is wrong'}`,
      team: isParcel ? 'delivery' : 'billing',
    };
  });
const data = { trainset: rows(0, 40), valset: rows(40, 50), testset: rows(50, 56) };

/** Says what most demos say, and billing without any. */
const follower = () =>
  scriptedModel(({ prompt: { turns } }) => {
    const votes = turns.filter(({ assistant }) => assistant.includes('delivery')).length;
    return [2 * votes > turns.length ? 'delivery' : 'billing'];
  });

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'better-together-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function start(model: ScriptedModel, options: Partial<CompileOptions<string>> = {}) {
  const together = betterTogetherOver({
    version: 'test',
    concurrency: 4,
    now: () => 0,
    openStore: (path) => sqliteStore(path ?? join(folder, 'runs.sqlite')),
    trainer: () => scriptedTrainer(),
    onNetworkAttempt: () => () => {},
    optimizers: () => ({ p: knnFewShot(), w: bootstrapFinetune() }),
  });
  const student = predict(routing).withLm(model);
  return together({ metric: exactMatch('team') }).compile(student, {
    ...data,
    strategy: 'p',
    store: join(folder, 'runs.sqlite'),
    ...options,
  });
}

test('a run embeds each text once, chooses by it, and its program needs nothing but the question', async () => {
  const model = follower();
  const best = await start(model);
  expect(best.summary.candidates.map(({ val, test }) => [val?.mean, test?.mean])).toEqual([
    [0.5, 0.5],
    [1, 1],
  ]);
  expect(model.embedded).toHaveLength(new Set(model.embedded).size);
  expect(new Set(model.embedded)).toEqual(
    new Set(
      Object.values(data)
        .flat()
        .map(({ ticket }) => ticket),
    ),
  );
  const before = model.embedded.length;
  expect(await best({ ticket: 'my parcel is gone' })).toEqual({ team: 'delivery' });
  expect(model.embedded.slice(before)).toEqual(['my parcel is gone']);
});

test('every call is known by the candidate that asked it, whichever demos it was shown', async () => {
  const store = sqliteStore(join(folder, 'runs.sqlite'));
  const { summary } = await start(follower(), { store });
  const [run, events] = [store.run(summary.run)!, store.events(summary.run)];
  const origins = store.callKeys(summary.run).map((key) => callOrigin(store.call(key)!.request, run, events).candidate);
  store.close();
  const { candidate } = summary.chosen;
  expect(candidate.predictors.predict).toHaveProperty('nearest');
  const calls = (id: string) => origins.filter((origin) => origin === id).length;
  const [baseline] = summary.candidates;
  const asked = data.valset.length + data.testset.length;
  expect([candidate, baseline!.candidate].map((one) => calls(candidateId(one)))).toEqual([asked, asked]);
  expect(origins).toHaveLength(2 * asked);
});

test('another run on the same store, with another seed, computes no embedding', async () => {
  await start(follower());
  const model = follower();
  const { summary } = await start(model, { seed: 1 });
  expect(summary.candidates.at(-1)?.val?.mean).toBe(1);
  expect(model.embedded).toEqual([]);
});

test('a run that was stopped goes on with what was embedded', async () => {
  const stop = new AbortController();
  const first = follower();
  const stopped = start(first, { signal: stop.signal });
  const follow = async () => {
    for await (const event of stopped)
      if (event.type === 'progress' && event.progress.type === 'phase' && event.progress.phase.includes('16 of 40'))
        stop.abort();
  };
  await Promise.all([expect(stopped).rejects.toMatchObject({ code: 'interrupted' }), follow().catch(() => {})]);
  const second = follower();
  const undisturbed = await start(follower(), { store: join(folder, 'other.sqlite') });
  const resumed = await start(second);
  expect(resumed.summary.digest).toBe(undisturbed.summary.digest);
  expect(first.embedded.length).toBeLessThan(40);
  expect(first.embedded.filter((text) => second.embedded.includes(text))).toEqual([]);
});

test('p -> w -> p: vectors are those of the base, so a new adapter needs no new ones', async () => {
  const model = follower();
  const { summary } = await start(model, { strategy: 'p -> w -> p' });
  expect(summary.candidates.map(({ strategy }) => strategy)).toEqual(['', 'p', 'p -> w', 'p -> w -> p']);
  expect(summary.flagCompilationErrorOccurred).toBe(false);
  expect(model.embedded).toHaveLength(new Set(model.embedded).size);
});

test('a saved program chooses the same demos in another process, and embeds the question only', async () => {
  const model = follower();
  const best = await start(model);
  const { predictors } = best.structure;
  const { candidate } = best.summary.chosen;
  const parts = { predictors, candidate, bases: [model.base], adapters: [], embeddings: best.embeddings };
  const path = saveProgram(parts, join(folder, 'program'));
  const saved = await readProgram(path);
  expect(saved.candidate).toEqual(candidate);
  const other = follower();
  const loaded = predict(routing).withLm(other).withCandidate(saved.candidate, [], saved.embeddings);
  const question = { ticket: 'the invoice of case 7' };
  await best(question);
  await loaded(question);
  expect(other.requests).toEqual(model.requests.slice(-1));
  expect(other.requests[0]?.prompt.turns).toHaveLength(3);
  expect(other.embedded).toEqual([question.ticket]);
});

test('a saved program whose embeddings are missing or others is refused with the remedy', async () => {
  const best = await start(follower());
  const { predictors } = best.structure;
  const { candidate } = best.summary.chosen;
  const parts = { predictors, candidate, bases: [], adapters: [], embeddings: best.embeddings };
  const path = saveProgram(parts, join(folder, 'program'));
  const [file] = readdirSync(join(folder, 'program')).filter((name) => name.startsWith('embeddings-'));
  writeFileSync(join(folder, 'program', file!), '{}');
  await expect(readProgram(path)).rejects.toMatchObject({ code: 'embeddings-changed' });
  rmSync(join(folder, 'program', file!));
  await expect(readProgram(path)).rejects.toMatchObject({
    code: 'embeddings-missing',
    hint: expect.stringContaining('Copy the whole folder'),
  });
});

test('a model that gives no embeddings is refused before anything is asked', () => {
  const model = { ...follower(), weights: null };
  expect(() => start(model as unknown as ScriptedModel)).toThrow(
    'The model "scripted" at /models/scripted.gguf answers, but what "p" does needs its embeddings.',
  );
  expect(model.requests).toEqual([]);
});
