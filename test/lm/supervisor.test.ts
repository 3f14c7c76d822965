import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { InputError, WorldError } from '../../src/core/errors.ts';
import type { AdapterFile, LmResponse } from '../../src/core/lm.ts';
import { firstAttempt } from '../../src/core/program.ts';
import { type LocalModel, localModelWith } from '../../src/lm/llama/local-model.ts';
import { startHostProcess } from '../../src/system/host-process.ts';
import { ggufBytes, modelMetadata } from '../support/gguf.ts';
import { writeTinyAdapter } from '../support/tiny-adapter.ts';

const entry = new URL('./fake-host.ts', import.meta.url);

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'better-together-test-'));
  await mkdir(join(folder, 'tmp'));
  // Here the hosts make their folders.
  vi.stubEnv('TMPDIR', join(folder, 'tmp'));
});
afterAll(async () => {
  vi.unstubAllEnvs();
  expect(await readdir(join(folder, 'tmp')), 'folders that hosts left behind').toEqual([]);
  await rm(folder, { recursive: true });
});

/** A model whose host is fake-host.ts; the name tells it how to behave at opening. */
async function open(name: string, patienceMs = 30_000, openingPatienceMs = 30_000): Promise<LocalModel> {
  const gguf = join(folder, `${name}.gguf`);
  await writeFile(gguf, ggufBytes());
  return localModelWith({ gguf, threads: 1 }, { entry, patienceMs, openingPatienceMs });
}

const ask = (
  lm: LocalModel,
  user: string,
  adapter: AdapterFile | null = null,
  signal?: AbortSignal,
): Promise<LmResponse> =>
  lm.generate(
    {
      model: { base: lm.base.sha256, adapter: adapter?.sha256 ?? null },
      prompt: { system: '', turns: [], user },
      answer: null,
      choice: 'greedy',
      sampling: { ...firstAttempt, maxTokens: 10 },
    },
    { adapter, ...(signal && { signal }) },
  );

const pieces = (response: LmResponse): readonly string[] =>
  response.failure === null ? response.pieces : expect.fail(response.failure.message);
const pidOf = async (lm: LocalModel): Promise<number> => Number(pieces(await ask(lm, 'hello'))[1]);
const users = (responses: readonly LmResponse[]) => responses.map((response) => pieces(response)[0]);

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

async function isGone(pid: number): Promise<boolean> {
  for (let i = 0; i < 200 && isAlive(pid); i++) await delay(25);
  return !isAlive(pid);
}

describe('a host that dies', () => {
  test('is replaced, and every call in flight is answered once', async () => {
    await using lm = await open('killed');
    const marker = join(folder, 'killed-marker');
    const asked = ['one', `crash-once ${marker}`, 'two', 'three'];
    expect(users(await Promise.all(asked.map((user) => ask(lm, user))))).toEqual(asked);
  });

  test('over a request in company and then over the same alone fails that request, and no other', async () => {
    await using lm = await open('crash');
    const asked = ['one', 'crash', 'two', 'three'];
    const [one, crash, two, three] = await Promise.all(asked.map((user) => ask(lm, user)));
    expect(users([one!, two!, three!])).toEqual(['one', 'two', 'three']);
    expect(crash).toMatchObject({
      failure: {
        kind: 'crash',
        message: expect.stringContaining('twice, the second time alone. It ended by SIGKILL'),
      },
    });
    expect(pieces(await ask(lm, 'again'))[0]).toBe('again');
  });

  test('because it hangs is killed, and the request that hangs it fails as a timeout', async () => {
    await using lm = await open('hang', 1500);
    const [hang, other] = await Promise.all([ask(lm, 'hang'), ask(lm, 'other')]);
    expect(hang).toMatchObject({
      failure: { kind: 'timeout', message: expect.stringContaining('no progress for 1.5 s') },
    });
    expect(pieces(other!)[0]).toBe('other');
  });

  test('is not one that is silent in a pass that it announced to be long, ten times as long as that even', async () => {
    await using lm = await open('slow', 1000);
    const pid = await pidOf(lm);
    const [slow] = await Promise.all([ask(lm, 'announce 500 3000'), ask(lm, 'other')]);
    expect(pieces(slow!).slice(0, 2)).toEqual(['announce 500 3000', String(pid)]);
  });

  test('because it hangs in a pass that it announced is killed when ten times that has passed', async () => {
    await using lm = await open('slow-hang', 1000);
    expect(await ask(lm, 'announce-and-hang 200')).toMatchObject({
      failure: { kind: 'timeout', message: expect.stringContaining('no progress for 2 s') },
    });
  });

  test('because it sends what no host of ours sends is a crash that says so', async () => {
    await using lm = await open('rubbish');
    expect(await ask(lm, 'rubbish')).toMatchObject({
      failure: { kind: 'crash', message: expect.stringContaining('It sent <ref *1> {') },
    });
  });

  test.each(['raw', 'raw-text', 'raw-clone', 'raw-endless'])(
    'because it writes bytes that are no message (%s) is a crash that shows them, and no other call is lost',
    async (act) => {
      await using lm = await open(act);
      const [bad, good] = await Promise.all([ask(lm, act), ask(lm, 'good')]);
      expect(bad).toMatchObject({
        failure: {
          kind: 'crash',
          message: expect.stringMatching(/It sent the bytes [0-9a-f]+, which no host of ours/),
        },
      });
      expect(users([good!])).toEqual(['good']);
    },
  );

  test('over work that is no request is a broken world', async () => {
    await using lm = await open('encode');
    const error = await lm
      .encode([{ prompt: { system: '', turns: [], user: 'crash' }, pieces: null }])
      .catch((thrown) => thrown);
    expect(error).toBeInstanceOf(WorldError);
    expect(error).toMatchObject({ code: 'host-died' });
  });

  test('whatever it is asked is a broken world, not a row of failures', async () => {
    await using lm = await open('poison');
    const outcomes = await Promise.allSettled(Array.from({ length: 8 }, () => ask(lm, 'crash')));
    for (const outcome of outcomes) expect(outcome).toMatchObject({ reason: { code: 'host-keeps-dying' } });
  });

  test('over two requests at once fails both of them, and gives each request to a host at most twice', async () => {
    await using lm = await open('two-culprits');
    const asked = ['one', 'crash a', 'two', 'crash b', 'three'];
    const answers = await Promise.all(asked.map((user) => ask(lm, user)));
    expect(answers.map(({ failure }) => failure?.kind ?? null)).toEqual([null, 'crash', null, 'crash', null]);
    const starts = (await readFile(`${lm.base.path}.starts`, 'utf8')).trimEnd().split('\n');
    const times = (user: string) => starts.filter((line) => line === user).length;
    expect([times('crash a'), times('crash b')]).toEqual([2, 2]);
    for (const user of asked) expect(times(user)).toBeLessThanOrEqual(2);
  });

  test('from outside of one request alone has that request repeated, not blamed', async () => {
    await using lm = await open('lonely');
    const user = `crash-once ${join(folder, 'lonely-marker')}`;
    expect(pieces(await ask(lm, user))[0]).toBe(user);
  });

  test('with a message cut off has its calls repeated', async () => {
    await using lm = await open('cut');
    const asked = ['one', `half-once ${join(folder, 'cut-marker')}`];
    expect(users(await Promise.all(asked.map((user) => ask(lm, user))))).toEqual(asked);
  });

  test('after an answer that it gave twice has given one', async () => {
    await using lm = await open('double');
    expect(users(await Promise.all(['double', 'other', 'double'].map((user) => ask(lm, user))))).toEqual([
      'double',
      'other',
      'double',
    ]);
  });

  test('as another engine than before is not taken back', async () => {
    await using lm = await open('updated');
    await lm.engine();
    await lm.release();
    await writeFile(`${lm.base.path}.updated`, '');
    await expect(ask(lm, 'hello')).rejects.toMatchObject({ code: 'engine-changed' });
  });
});

describe('a host that cannot be opened', () => {
  test('by its own word rejects with the error it names', async () => {
    await using lm = await open('refused');
    const error = await lm.engine().catch((thrown) => thrown);
    expect(error).toBeInstanceOf(InputError);
    expect(error).toMatchObject({ code: 'device-missing', hint: 'Use "cpu".' });
  });

  test('because it aborts rejects every call, with what it wrote', async () => {
    await using lm = await open('aborts');
    const outcomes = await Promise.allSettled([ask(lm, 'one'), ask(lm, 'two'), lm.engine()]);
    for (const outcome of outcomes)
      expect(outcome).toMatchObject({
        reason: { code: 'host-not-opened', message: expect.stringMatching(/SIGABRT.*GGML_ASSERT/s) },
      });
  });

  test('because it writes bytes that are no message rejects with them', async () => {
    await using lm = await open('garbled');
    await expect(lm.engine()).rejects.toMatchObject({
      code: 'host-not-opened',
      message: expect.stringContaining('It sent the bytes 0000000801020304'),
    });
  });

  test('because it is silent is given up after its time', async () => {
    await using lm = await open('silent', 300, 300);
    await expect(lm.engine()).rejects.toMatchObject({ message: expect.stringContaining('no progress for 0.3 s') });
  });
});

describe('a release', () => {
  test('ends the process, and the next use opens the same engine again', async () => {
    await using lm = await open('release');
    const engine = await lm.engine();
    const pid = await pidOf(lm);
    await lm.release();
    expect(isAlive(pid)).toBe(false);
    expect(await lm.engine()).toEqual(engine);
    const [, again, earlier] = pieces(await ask(lm, 'hello'));
    expect(Number(again)).not.toBe(pid);
    expect(JSON.parse(earlier!)).toEqual(engine);
  });

  test('waits for the calls in flight, and calls made meanwhile wait for it', async () => {
    await using lm = await open('release-busy');
    const first = await pidOf(lm);
    const inFlight = ask(lm, 'in flight');
    const released = lm.release();
    const afterwards = ask(lm, 'afterwards');
    await released;
    expect(isAlive(first)).toBe(false);
    expect(pieces(await inFlight)[1]).toBe(String(first));
    expect(pieces(await afterwards)[1]).not.toBe(String(first));
  });

  test('of a model that was never used starts nothing', async () => {
    const lm = await open('refused-unused');
    await lm.release();
  });

  test('knows the engine without opening the model again', async () => {
    await using lm = await open('engine-known');
    await lm.engine();
    const pid = await pidOf(lm);
    await lm.release();
    await lm.engine();
    await delay(200);
    expect(isAlive(pid)).toBe(false);
  });
});

describe('the engine of an earlier start', () => {
  test('is opened again in its layout, after the calls in flight, and a notice says what that costs', async () => {
    await using lm = await open('wanted');
    const engine = await lm.engine();
    expect(lm.notices).toEqual([{ code: 'fake', message: 'Nothing is real.' }]);
    const inFlight = ask(lm, 'in flight');
    const wanted = { ...engine, threads: 1000 };
    expect(await lm.engine(wanted)).toEqual(wanted);
    expect(lm.notices.map(({ code }) => code)).toEqual(['fake', 'more-threads-than-cores']);
    const [first, second] = [pieces(await inFlight), pieces(await ask(lm, 'afterwards'))];
    expect(first[1]).not.toBe(second[1]);
    expect(JSON.parse(second[2]!)).toEqual(wanted);
  });

  test('with the layout that is open changes nothing', async () => {
    await using lm = await open('wanted-known');
    const engine = await lm.engine();
    const pid = await pidOf(lm);
    expect(await lm.engine({ ...engine, reproducible: 'replay' })).toEqual(engine);
    expect(await pidOf(lm)).toBe(pid);
  });
});

test('an aborted call rejects with its reason at once, and the host is told to drop it', async () => {
  await using lm = await open('abort');
  await lm.engine();
  const stop = new AbortController();
  const hanging = ask(lm, 'hang', null, stop.signal);
  const answered = await ask(lm, 'other');
  stop.abort(new Error('enough'));
  await expect(hanging).rejects.toThrow('enough');
  const [row] = await lm.encode([{ prompt: { system: '', turns: [], user: 'hello' }, pieces: null }]);
  expect({ user: pieces(answered)[0], dropped: row!.completionIds }).toEqual({ user: 'other', dropped: [0] });
  await expect(ask(lm, 'late', null, stop.signal)).rejects.toThrow('enough');
});

test('a defect in the host rejects its own call only', async () => {
  await using lm = await open('defect');
  const [bad, good] = await Promise.allSettled([ask(lm, 'fail'), ask(lm, 'good')]);
  expect(bad).toMatchObject({ reason: { message: 'In the model host: A defect.' } });
  expect(good.status).toBe('fulfilled');
});

describe('adapters', () => {
  const adapterWith = (content: string): AdapterFile => writeTinyAdapter(join(folder, `${content}.gguf`), content);

  test('above twenty are loaded by a new process, after the calls in flight', async () => {
    await using lm = await open('worn');
    const adapters = Array.from({ length: 25 }, (_, i) => adapterWith(`adapter ${i}`));
    const pids = (await Promise.all(adapters.map((adapter) => ask(lm, 'hello', adapter)))).map(
      (answer) => pieces(answer)[1],
    );
    // Which twenty came first is open: each adapter's content is checked before its call is queued, and files are read in any order.
    const [first] = pids;
    const withFirst = pids.filter((pid) => pid === first).length;
    expect(new Set(pids).size).toBe(2);
    expect([withFirst, pids.length - withFirst].sort((a, b) => b - a)).toEqual([20, 5]);
  });

  test('are refused when their content is not what their id says', async () => {
    await using lm = await open('changed-adapter');
    const adapter = adapterWith('trained');
    await writeFile(adapter.path, 'trained again');
    await expect(ask(lm, 'hello', adapter)).rejects.toMatchObject({ code: 'adapter-changed' });
    await rm(adapter.path);
    await expect(ask(lm, 'hello', adapter)).rejects.toMatchObject({ code: 'adapter-missing' });
  });

  test('have to be the ones the request names', async () => {
    await using lm = await open('other-adapter');
    const request = { model: { base: lm.base.sha256, adapter: 'a' } };
    // `as`: the check comes before anything else of the request is looked at.
    const asked = lm.generate(request as Parameters<LocalModel['generate']>[0], { adapter: null });
    await expect(asked).rejects.toThrow('The request is for adapter a');
  });
});

test('a host whose memory grew by half since it was warm is replaced, and one that only warms up is not', async () => {
  await using lm = await open('growing');
  const pid = await pidOf(lm);
  await ask(lm, 'grow 1000');
  await Promise.all(Array.from({ length: 200 }, () => ask(lm, 'hello')));
  await ask(lm, 'grow 5000');
  await ask(lm, 'grow 7400');
  expect(await pidOf(lm)).toBe(pid);
  await ask(lm, 'grow 7600');
  expect(await pidOf(lm)).not.toBe(pid);
});

test('a model file that was replaced since it was checked is not opened', async () => {
  await using lm = await open('replaced');
  await writeFile(lm.base.path, ggufBytes({ data: Buffer.alloc(128) }));
  await expect(lm.engine()).rejects.toMatchObject({ code: 'model-changed' });
});

test('sizes that fit neither model nor machine are all named before anything starts', async () => {
  const gguf = join(folder, 'sizes.gguf');
  await writeFile(gguf, ggufBytes());
  const opened = localModelWith(
    { gguf, threads: 1000, sequences: 0, contextTokens: 513 },
    { entry, patienceMs: 1000, openingPatienceMs: 1000 },
  );
  await expect(opened).rejects.toMatchObject({ code: 'layout-invalid', mistakes: { length: 3 } });
});

test('a model without a chat template is refused before anything starts', async () => {
  const gguf = join(folder, 'base.gguf');
  await writeFile(gguf, ggufBytes({ metadata: modelMetadata.filter(([key]) => key !== 'tokenizer.chat_template') }));
  await expect(localModelWith({ gguf }, { entry, patienceMs: 1000, openingPatienceMs: 1000 })).rejects.toMatchObject({
    code: 'no-chat-template',
  });
});

describe('the process of a host', () => {
  const ends = (how: string) => ({ GGUF: join(folder, 'orphan.gguf'), ENTRY: entry.href, ENDS: how });
  const orphan = new URL('./orphan.ts', import.meta.url);

  async function startParent(how: string) {
    await writeFile(join(folder, 'orphan.gguf'), ggufBytes());
    const { promise, resolve } = deferredPid();
    const onMessage = (message: unknown) => resolve(message);
    const parent = await startHostProcess({
      entry: orphan,
      env: ends(how),
      onMessage,
      onRubbish: () => expect.fail('rubbish'),
    });
    return { parent, host: await promise };
  }

  test('does not outlive its parent', async () => {
    const { parent, host } = await startParent('stay');
    expect(isAlive(host)).toBe(true);
    parent.kill();
    expect(await isGone(host)).toBe(true);
  });

  test('does not keep its parent from ending', async () => {
    const { parent, host } = await startParent('leave');
    expect(await parent.ended).toMatchObject({ code: 0, signal: null });
    expect(await isGone(host)).toBe(true);
  });

  test('is killed when it does not end by itself', async () => {
    const stubborn = join(folder, 'stubborn.mjs');
    await writeFile(stubborn, 'setInterval(() => {}, 1000);');
    const host = await startHostProcess({
      entry: new URL(`file://${stubborn}`),
      onMessage: () => expect.fail('a message'),
      onRubbish: () => expect.fail('rubbish'),
    });
    expect(await host.end(100)).toMatchObject({ code: null, signal: 'SIGKILL' });
  });
});

function deferredPid() {
  let resolve: (pid: number) => void = () => {};
  const promise = new Promise<number>((onResolve) => {
    resolve = onResolve;
  });
  // `as`: orphan.ts sends this and nothing else.
  return { promise, resolve: (message: unknown) => resolve((message as { pid: number }).pid) };
}
