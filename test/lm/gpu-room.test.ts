import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { LanguageModel } from '../../src/core/lm.ts';
import { type LocalModel, localModelWith } from '../../src/lm/llama/local-model.ts';
import { createModelGate } from '../../src/run/model-gate.ts';
import { ggufBytes } from '../support/gguf.ts';
import { ask } from '../support/requests.ts';

// Real processes behind the real gate, on a card that is a folder: fake-host.ts takes its part of 10 there, or aborts when it is not free.
const entry = new URL('./fake-host.ts', import.meta.url);

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'better-together-test-'));
  for (const name of ['tmp', 'card']) await mkdir(join(folder, name));
  vi.stubEnv('TMPDIR', join(folder, 'tmp'));
});
afterAll(async () => {
  vi.unstubAllEnvs();
  const left = await readdir(join(folder, 'card'));
  await rm(folder, { recursive: true });
  expect(left, 'memory that hosts did not give back').toEqual([]);
});

async function open(names: readonly string[]) {
  const gate = createModelGate();
  const models = await Promise.all(
    names.map(async (name, index): Promise<LocalModel> => {
      const gguf = join(folder, `${name}.gguf`);
      await writeFile(gguf, ggufBytes({ data: Buffer.alloc(128 + index) }));
      return localModelWith({ gguf, threads: 1 }, { entry, patienceMs: 30_000, openingPatienceMs: 30_000 });
    }),
  );
  const guarded = models.map(gate.guard);
  for (const model of guarded) await model.engine();
  const opened = gate.switches();
  return {
    guarded,
    /** Since all were opened. */
    switches: () => gate.switches() - opened,
    close: () => Promise.all(models.map(({ release }) => release())),
  };
}

/** Asks one after the other; gives the processes that answered, each once. */
async function processesOf(model: LanguageModel, calls: number): Promise<string[]> {
  const pids: string[] = [];
  for (let call = 0; call < calls; call++) {
    const answer = await ask(model, { user: `call ${call} 0` });
    pids.push(answer.failure === null ? answer.pieces[1]! : answer.failure.message);
  }
  return [...new Set(pids)];
}

test('models that fit together stay open, whoever is asked', async () => {
  const { guarded, switches, close } = await open(['gpu-4 student', 'gpu-6 teacher']);
  const pids = await Promise.all(guarded.map((model) => processesOf(model, 100)));
  expect(pids.map(({ length }) => length)).toEqual([1, 1]);
  expect(switches()).toBe(0);
  await close();
});

test('of models that do not fit together one is closed for the other, after a turn, and every call is answered', async () => {
  const { guarded, switches, close } = await open(['gpu-6 student', 'gpu-7 teacher']);
  const pids = await Promise.all(guarded.map((model) => processesOf(model, 150)));
  // 150 calls in turns of 64 and one process for each turn.
  for (const own of pids) expect(own.length).toBeLessThanOrEqual(4);
  expect(switches()).toBeLessThanOrEqual(6);
  await close();
});

test('who was used longest ago is closed, and the others stay', async () => {
  const { guarded, switches, close } = await open(['gpu-3 one', 'gpu-3 two', 'gpu-3 three', 'gpu-2 four']);
  // Opening "four" has closed "one", and opening "one" again closes "two".
  const [one, two, three, four] = guarded;
  const pidOf = async (model: LanguageModel) => (await processesOf(model, 1))[0];
  const [ofTwo, ofThree, ofFour] = [await pidOf(two!), await pidOf(three!), await pidOf(four!)];
  await pidOf(one!);
  expect(switches()).toBe(1);
  expect([await pidOf(three!), await pidOf(four!)]).toEqual([ofThree, ofFour]);
  expect(await pidOf(two!)).not.toBe(ofTwo);
  await close();
});

test('a model that is released, as before training, makes room without being closed for anyone', async () => {
  const { guarded, switches, close } = await open(['gpu-8 alone', 'gpu-9 other']);
  await guarded[1]!.release();
  expect(await processesOf(guarded[0]!, 1)).toHaveLength(1);
  expect(switches()).toBe(0);
  await close();
});

test('a model that does not fit even alone is one error, and the card is left as it was', async () => {
  const model = open(['gpu-11 large']);
  await expect(model).rejects.toMatchObject({
    code: 'host-not-opened',
    message: expect.stringContaining('out of memory'),
  });
});
