import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { trainedFiles } from '../../src/core/candidate.ts';
import type { LmRequest } from '../../src/core/lm.ts';
import type { Store } from '../../src/core/store.ts';
import type { Trainer } from '../../src/core/trainer.ts';
import { exactMatch } from '../../src/evaluate/metrics.ts';
import { bootstrapFinetune } from '../../src/optimize/bootstrap-finetune.ts';
import { labeledFewShot } from '../../src/optimize/labeled-few-shot.ts';
import { betterTogetherOver } from '../../src/run/better-together.ts';
import { planVerification, verify } from '../../src/run/verify.ts';
import { readProgram, saveProgram } from '../../src/store/program-file.ts';
import { sqliteStore } from '../../src/store/sqlite-store.ts';
import { numbers, program, student } from '../support/parity-task.ts';
import type { ScriptedModel } from '../support/scripted-model.ts';
import { scriptedTrainer } from '../support/scripted-trainer.ts';

let folder: string;
let store: Store;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'better-together-merged-'));
  store = sqliteStore(join(folder, 'runs.sqlite'));
});
afterEach(() => {
  store.close();
  rmSync(folder, { recursive: true, force: true });
});

/** The base knows 3 last digits, the adapter 9, the merged file 8: it was rounded. That one takes 50 ms for an answer, the others 100. */
let time = 0;
const skill = ({ model }: LmRequest) => {
  time += model.merged === undefined ? 100 : 50;
  return model.merged !== undefined ? 8 : model.adapter === null ? 3 : 9;
};

interface Options {
  readonly lm?: ScriptedModel;
  readonly trainer?: Trainer;
  readonly w?: Parameters<typeof bootstrapFinetune>[0];
  readonly strategy?: 'w' | 'w -> p' | 'w -> w';
}

function run({ lm = student(skill), trainer = scriptedTrainer(), w = {}, strategy = 'w' }: Options = {}) {
  const together = betterTogetherOver({
    version: 'test',
    concurrency: 4,
    now: () => time,
    openStore: () => store,
    trainer: () => trainer,
    onNetworkAttempt: () => () => {},
    optimizers: () => ({ p: labeledFewShot({ k: 2 }), w: bootstrapFinetune({ load: 'merged', heldOut: 0, ...w }) }),
  });
  return together({ metric: exactMatch() }).compile(program(lm), {
    trainset: numbers(0, 20),
    valset: numbers(20, 30),
    strategy,
    store,
    stepStart: 'latest',
  });
}

const predictModel = (best: Awaited<ReturnType<typeof run>>) => best.summary.chosen.candidate.predictors.predict!.model;

describe('a weight step that merges', () => {
  test('gives weights that name base, adapter and merged file, all of which the store has', async () => {
    const best = await run();
    const { base, adapter, merged } = predictModel(best);
    expect(base).toBe(student(skill).base.sha256);
    expect(store.file('adapter', adapter!)).toBeDefined();
    expect(store.file('merged', merged!)).toBeDefined();
    expect(await best({ number: '28' })).toEqual({ kind: 'odd' }); // the merged file does not know the 8 any more
  });

  test('does not merge where the adapter is loaded', async () => {
    const best = await run({ w: { load: 'adapter' } });
    expect(predictModel(best)).toEqual({ base: expect.any(String), adapter: expect.any(String) });
    expect(best.summary.loads).toEqual([]);
  });

  test('merges as it was told to: other encodings are other files', async () => {
    const [fine, coarse] = [await run({ w: { mergedType: 'F16' } }), await run()].map(predictModel);
    expect(fine?.adapter).toBe(coarse?.adapter);
    expect(fine?.merged).not.toBe(coarse?.merged);
  });

  test('is the only kind that an encoding can be chosen for', () => {
    expect(() => bootstrapFinetune({ mergedType: 'F16' })).toThrow('mergedType F16 is about a merged file');
  });

  test('measures what merging changed, on the same rows', async () => {
    const { summary } = await run();
    expect(summary.loads).toEqual([
      {
        step: 1,
        adapter: { val: expect.objectContaining({ mean: 0.9, n: 10 }), callsPerSecond: 10 },
        merged: { val: expect.objectContaining({ mean: 0.8, n: 10 }), callsPerSecond: 20 },
      },
    ]);
    expect(summary.candidates.map(({ val }) => val?.mean)).toEqual([0.3, 0.8]);
  });

  test('says nothing about speed where the answers were remembered', async () => {
    await run();
    const { summary } = await run({ strategy: 'w -> p' });
    expect(summary.loads?.map(({ adapter, merged }) => [adapter.callsPerSecond, merged.callsPerSecond])).toEqual([
      [null, null],
    ]);
  });

  test('puts its gates on record, the same again when the merge is remembered', async () => {
    const gatesOf = (id: string) =>
      store.events(id).flatMap((event) => (event.type === 'gate' ? [[event.gate, event.parity.positions]] : []));
    const first = await run();
    const gates = gatesOf(first.summary.run);
    expect(gates.map(([gate]) => gate)).toEqual(['base', 'adapter', 'effect', 'merged', 'merged-effect']);
    const again = await run({ strategy: 'w -> p' });
    expect(gatesOf(again.summary.run)).toEqual(gates);
  });

  test('is refused, by name and with the way out, where the file is not what was trained', async () => {
    const trainer = scriptedTrainer();
    const skewed = Float32Array.from({ length: 256 }, (_, token) => Math.log(token === 0 ? 0.745 : 0.001));
    const best = await run({
      trainer: {
        ...trainer,
        reference: async (_, { probes }) => {
          const rows = probes.flatMap(({ positions }) => positions.map(() => skewed));
          return { base: rows, adapter: rows };
        },
      },
    });
    expect(best.flagCompilationErrorOccurred).toBe(true);
    const failed = store.events(best.summary.run).find((event) => event.type === 'step-failed');
    expect(failed).toMatchObject({ code: 'gate-merged', message: expect.stringContaining('mergedType: "F16"') });
  });
});

describe('after it', () => {
  test('a prompt step asks the merged file, and its calls have keys of their own', async () => {
    const lm = student(skill);
    const best = await run({ lm, strategy: 'w -> p' });
    const { merged } = predictModel(best);
    const asked = lm.requests.slice(-10).map(({ model }) => model.merged);
    expect(new Set(asked)).toEqual(new Set([merged]));
    const keys = store.callKeys(best.summary.run);
    expect(new Set(keys).size).toBe(keys.length);
  });

  test('a weight step trains on the base, from the adapter on request', async () => {
    const trainer = scriptedTrainer();
    const { summary } = await run({ trainer, strategy: 'w -> w', w: { startFrom: 'adapter' } });
    const [, first] = summary.candidates;
    expect(trainer.specs.map(({ base, startFrom }) => [base, startFrom])).toEqual([
      [student(skill).base.sha256, null],
      [student(skill).base.sha256, first!.candidate.predictors.predict!.model.adapter],
    ]);
  });

  test('a run that is repeated with a longer strategy trains and merges nothing again', async () => {
    const trainer = scriptedTrainer();
    let merges = 0;
    const counting: Trainer = {
      ...trainer,
      merge: async (...given) => {
        merges++;
        return trainer.merge(...given);
      },
    };
    await run({ trainer: counting });
    await run({ trainer: counting, strategy: 'w -> p' });
    expect([trainer.specs.length, merges]).toEqual([1, 1]);
  });

  test('its calls are verified against the merged file', async () => {
    const lm = student(skill);
    const { summary } = await run({ lm });
    const plan = planVerification(store, store.run(summary.run)!, { sample: null, seed: 0 });
    const files = plan.adapters.map((sha256) => ({
      sha256,
      path: store.file('adapter', sha256) ?? store.file('merged', sha256)!,
    }));
    const { status, bytes } = await verify(plan, {
      store,
      models: new Map([[lm.base.sha256, lm]]),
      adapters: new Map(files.map((file) => [file.sha256, file])),
      concurrency: 4,
      signal: new AbortController().signal,
    });
    expect(status).toBe('agrees');
    expect(bytes).toEqual({ compared: plan.calls.length, equal: plan.calls.length });
  });
});

describe('a saved program', () => {
  const save = async () => {
    const best = await run();
    const { candidate } = best.summary.chosen;
    const adapters = [...best.adapters.values()].filter(({ sha256 }) => trainedFiles(candidate).includes(sha256));
    const { predictors } = best.structure;
    const path = saveProgram({ predictors, candidate, bases: [], adapters, embeddings: new Map() }, join(folder, 'p'));
    return { candidate, adapters, path };
  };

  test('knows its merged file by the place where it lies, which is not copied', async () => {
    const { candidate, adapters, path } = await save();
    const saved = await readProgram(path);
    expect(saved.candidate).toEqual(candidate);
    const [, merged] = adapters;
    expect(saved.adapters).toEqual([{ sha256: adapters[0]!.sha256, path: expect.stringContaining(folder) }, merged]);
  });

  test('is refused when that file is gone, with the command that makes it again', async () => {
    const { candidate, path } = await save();
    rmSync(store.file('merged', candidate.predictors.predict!.model.merged!)!);
    await expect(readProgram(path)).rejects.toMatchObject({
      code: 'merged-missing',
      hint: expect.stringContaining('better-together export'),
    });
  });
});
