import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { WorldError } from '../../src/core/errors.ts';
import type { AdapterFile, LmResponse } from '../../src/core/lm.ts';
import { type LocalModel, type LocalModelOptions, localModelWith } from '../../src/lm/llama/local-model.ts';
import { hostsOf } from '../support/host-processes.ts';
import { defaultModel } from '../support/models.ts';
import { type Ask, ask, labelPlan } from '../support/requests.ts';
import { writeTinyAdapter } from '../support/tiny-adapter.ts';
import { writeTinyModel } from '../support/tiny-model.ts';

// Real hosts with real native code, and what can happen to them. Which child is whose is read from /proc.
const onLinux = process.platform === 'linux';
const canLimit = existsSync('/usr/bin/prlimit');
if (!onLinux) console.log('Faults of hosts are not tested here: they need the /proc of Linux');
if (onLinux && !canLimit) console.log('Running out of memory is not tested here: it needs prlimit (util-linux)');

const entry = new URL('./odd-host.ts', import.meta.url);
const timeout = 300_000;

let folder: string;
let tiny: string;
const inFolder = (name: string): string => join(folder, name);

let copies = 0;
/** Each has a file of its own, by which its host is found. */
async function open(options: Partial<LocalModelOptions> = {}, patienceMs = 60_000): Promise<LocalModel> {
  const gguf = options.gguf ?? inFolder(`tiny-${copies++}.gguf`);
  if (!existsSync(gguf)) await copyFile(tiny, gguf);
  return localModelWith(
    { device: 'cpu', threads: 1, sequences: 4, ...options, gguf },
    { entry, patienceMs, openingPatienceMs: 120_000 },
  );
}

/** A model whose first host is odd. */
async function odd(oddity: string, options: Partial<LocalModelOptions> = {}): Promise<LocalModel> {
  const model = await open(options);
  vi.stubEnv('ODD_HOST', oddity);
  await model.engine().catch(() => {});
  vi.stubEnv('ODD_HOST', '');
  return model;
}

const sentence = { type: 'value', grammar: 'root ::= [a-z ]{40,60} "."', end: { kind: 'text', text: '.' } } as const;
const labels = labelPlan(['billing', 'delivery', 'account']);

/** Short and long answers behind two prefixes. */
const requests: readonly Ask[] = Array.from({ length: 24 }, (_, index) => ({
  system: index % 2 === 0 ? 'Be brief.' : 'Say why.',
  user: `word ${index}`,
  answer: index % 3 === 0 ? labels : [sentence],
  sampling: { temperature: index % 2, seed: index, maxTokens: 200 },
}));
const askAll = (model: LocalModel) => Promise.all(requests.map((request) => ask(model, request)));
let undisturbed: readonly LmResponse[];

/** Asks everything, lets something happen in the middle of it, and expects every answer once, as if nothing had. */
async function survives(model: LocalModel, happen: (host: number) => unknown): Promise<void> {
  await model.encode([]);
  const settled: number[] = [];
  const answers = Promise.all(requests.map((request, index) => ask(model, request).finally(() => settled.push(index))));
  while (settled.length < 3) await delay(1);
  await happen((await hostsOf(model))[0]!);
  expect(await answers).toEqual(undisturbed);
  expect(settled.sort((a, b) => a - b)).toEqual([...requests.keys()]);
}

// A patient one, and one that takes three seconds of silence for a hang.
let lm: LocalModel;
let hasty: LocalModel;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'better-together-test-'));
  await mkdir(inFolder('scratch'));
  vi.stubEnv('TMPDIR', inFolder('scratch'));
  tiny = writeTinyModel(inFolder('tiny.gguf'));
  [lm, hasty] = [await open(), await open({}, 3000)];
  undisturbed = await askAll(lm);
}, timeout);

afterAll(async () => {
  await Promise.all([lm.release(), hasty.release()]);
  vi.unstubAllEnvs();
  expect(await readdir(inFolder('scratch')), 'folders that hosts left behind').toEqual([]);
  await rm(folder, { recursive: true });
}, timeout);

/** Opens a new host; what it writes is then in the folder that is returned. */
async function reopened(): Promise<string> {
  await Promise.all([lm.release(), hasty.release()]);
  await lm.encode([]);
  const folders = await readdir(inFolder('scratch'));
  expect(folders).toHaveLength(1);
  return join(inFolder('scratch'), folders[0]!);
}

describe.runIf(onLinux)(
  'in the middle of work every answer comes once, as if nothing had happened, when the host',
  () => {
    test.each(['SIGABRT', 'SIGSEGV', 'SIGKILL'])(
      'ends by %s',
      (signal) => survives(lm, (host) => process.kill(host, signal)),
      timeout,
    );

    test('stands still', () => survives(hasty, (host) => process.kill(host, 'SIGSTOP')), timeout);

    test(
      'writes bytes that are no text, on both its streams',
      async () => {
        await using noisy = await odd('noise');
        await survives(noisy, () => {});
      },
      timeout,
    );

    test.each([
      ['says what no host of ours says', 'babble'],
      ['writes bytes on its channel that are no message', 'scribble'],
    ])(
      '%s',
      async (_, oddity) => {
        await using babbling = await odd(`${oddity} ${inFolder(oddity)}`);
        expect(await askAll(babbling)).toEqual(undisturbed);
        expect(existsSync(inFolder(oddity))).toBe(true);
      },
      timeout,
    );

    test(
      'loses the folder it writes in',
      async () => {
        const scratch = await reopened();
        await survives(lm, () => rm(scratch, { recursive: true }));
      },
      timeout,
    );

    test(
      'finds the disk full',
      async () => {
        const scratch = await reopened();
        // Where a state would be written, the first byte is one too many.
        for (let index = 0; index < 50; index++) await symlink('/dev/full', join(scratch, `base-${index}.state`));
        await survives(lm, () => {});
      },
      timeout,
    );

    test.each([
      ['cut off, on which native code aborts', (bytes: Buffer) => bytes.subarray(0, 1000)],
      ['changed', (bytes: Buffer) => bytes.fill(0xff, 0, 64)],
    ])(
      'finds the states that it wrote %s',
      async (_, damage) => {
        const scratch = await reopened();
        for (const request of requests.slice(0, 2)) await ask(lm, request);
        const files = await readdir(scratch);
        expect(files.length).toBeGreaterThan(0);
        for (const file of files) await writeFile(join(scratch, file), damage(await readFile(join(scratch, file))));
        expect(await askAll(lm)).toEqual(undisturbed);
      },
      timeout,
    );
  },
);

test.runIf(onLinux)(
  'a long computation is no hang while it goes on, nor when it is we who stand still',
  async () => {
    const probe = { ids: Array.from({ length: 1000 }, (_, index) => 5 + (index % 200)), positions: [999] };
    await hasty.logProbabilities([probe], null);
    const [host] = await hostsOf(hasty);
    const started = performance.now();
    await hasty.logProbabilities([probe], null);
    const enough = Math.ceil(7000 / (performance.now() - started));
    const computing = hasty.logProbabilities(
      Array.from({ length: enough }, () => probe),
      null,
    );
    await delay(100);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3500);
    expect(await computing).toHaveLength(enough);
    expect(await hostsOf(hasty)).toEqual([host]);
  },
  timeout,
);

test.runIf(onLinux)(
  'a pass that takes longer than all patience is no hang',
  async () => {
    // One thread, and a whole prompt in one pass: some seconds on the machines of today.
    const sizes = { sequences: 1, contextTokens: 1024, batchTokens: 1024 };
    await using slow = await open({ gguf: defaultModel, ...sizes }, 1000);
    await slow.encode([]);
    const [host] = await hostsOf(slow);
    const ids = Array.from({ length: 1000 }, (_, index) => 5 + (index % 200));
    const [distribution] = await slow.logProbabilities([{ ids, positions: [999] }], null);
    expect(distribution).toHaveLength(slow.base.vocabularySize);
    expect(await hostsOf(slow)).toEqual([host]);
  },
  timeout,
);

describe('a call', () => {
  test('that is not wanted any more leaves the others their answers', async () => {
    const stop = new AbortController();
    const unwanted = ask(lm, { user: 'Hi', answer: [sentence], signal: stop.signal });
    const others = askAll(lm);
    stop.abort(new Error('enough'));
    await expect(unwanted).rejects.toThrow('enough');
    expect(await others).toEqual(undisturbed);
  });

  test('that cannot be done costs its company nothing: a prompt too long, a token that does not exist', async () => {
    const company = askAll(lm);
    const tooLong = ask(lm, { user: 'word '.repeat(3000) });
    const stranger = lm.logProbabilities([{ ids: [1, 99_999], positions: [0] }], null);
    await expect(stranger).rejects.toMatchObject({ code: 'probe-invalid' });
    expect(await tooLong).toMatchObject({ failure: { kind: 'length' } });
    expect(await company).toEqual(undisturbed);
  });

  test('in flight is answered before a release ends the host', async () => {
    const answers = askAll(lm);
    await lm.release();
    expect(await answers).toEqual(undisturbed);
  });
});

describe.runIf(onLinux && canLimit)('memory that runs out', () => {
  test(
    'while the model is loaded is one error, for every call',
    async () => {
      await using limited = await open({ gguf: defaultModel });
      vi.stubEnv('ODD_HOST', 'limited 100');
      const outcomes = await Promise.allSettled([limited.engine(), ask(limited, { user: 'Hi' })]);
      vi.stubEnv('ODD_HOST', '');
      const reason = expect.any(WorldError);
      const code = expect.stringMatching(/^(model-not-loaded|host-not-opened)$/);
      for (const outcome of outcomes) expect(outcome).toMatchObject({ status: 'rejected', reason });
      for (const outcome of outcomes) expect(outcome).toMatchObject({ reason: { code } });
    },
    timeout,
  );

  test(
    'for the contexts is one error with their sizes',
    async () => {
      await using vast = await open({ gguf: defaultModel, sequences: 256, contextTokens: 8192 });
      await expect(vast.engine()).rejects.toMatchObject({
        code: 'context-not-opened',
        message: expect.stringContaining('256 contexts of 8192 tokens'),
      });
    },
    timeout,
  );

  test(
    'in flight is one error, and the next call is answered',
    async () => {
      // A context takes 360 MB: more than a host has lying about, freed but not given back, and than the 100 MB that it may still take, so
      // that it is not a thread or the garbage collector that finds nothing left.
      await using wide = await open({ gguf: defaultModel, sequences: 8, contextTokens: 2048 });
      const before = await ask(wide, requests[0]!);
      const adapter = writeTinyAdapter(inFolder('hungry.gguf'), 'hungry', 576);
      const [host] = await hostsOf(wide);
      const kilobytes = Number(/VmSize:\s+(\d+)/.exec(await readFile(`/proc/${host}/status`, 'utf8'))![1]);
      execFileSync('prlimit', ['--pid', String(host), `--as=${(kilobytes + 100 * 1024) * 1024}`]);
      await expect(ask(wide, { user: 'Hi', answer: labels, adapter })).rejects.toMatchObject({
        code: 'context-not-opened',
      });
      expect(await ask(wide, requests[0]!)).toEqual(before);
    },
    timeout,
  );
});

describe('a model file', () => {
  async function changed(name: string, change: (bytes: Buffer) => unknown): Promise<LocalModel> {
    const bytes = await readFile(tiny);
    change(bytes);
    await writeFile(inFolder(name), bytes);
    return open({ gguf: inFolder(name) });
  }

  test(
    'that llama.cpp aborts on is one error with the assertion',
    async () => {
      const key = 'llama.feed_forward_length';
      await using model = await changed('no-width.gguf', (bytes) =>
        bytes.writeUInt32LE(0, bytes.indexOf(key) + key.length + 4),
      );
      const reason = { code: 'host-not-opened', message: expect.stringMatching(/SIGABRT.*GGML_ASSERT/s) };
      for (const outcome of await Promise.allSettled([model.engine(), ask(model, { user: 'Hi' })]))
        expect(outcome).toMatchObject({ reason });
    },
    timeout,
  );

  test(
    'of an architecture that llama.cpp does not know is one error that names it',
    async () => {
      await using model = await changed('architecture.gguf', (bytes) => {
        for (let at = bytes.indexOf('llama'); at >= 0; at = bytes.indexOf('llama', at)) bytes.write('lhama', at);
      });
      const message = expect.stringContaining('lhama');
      await expect(model.engine()).rejects.toMatchObject({ code: 'model-not-loaded', message });
    },
    timeout,
  );

  test(
    'that is cut off while it is used is one error that names it',
    async () => {
      await using model = await changed('used.gguf', () => {});
      await model.engine();
      await truncate(model.base.path, 4096);
      for (const [index, outcome] of (
        await Promise.allSettled(requests.map((request) => ask(model, request)))
      ).entries())
        if (outcome.status === 'fulfilled') expect(outcome.value).toEqual(undisturbed[index]);
        else
          expect(outcome.reason).toMatchObject({
            code: 'model-changed',
            message: expect.stringContaining('used.gguf'),
          });
    },
    timeout,
  );
});

describe('an adapter file', () => {
  const answersWith = (adapter: AdapterFile | null) =>
    Promise.all(requests.slice(0, 6).map((request) => ask(lm, { ...request, adapter })));

  test(
    'that is replaced answers with its new weights',
    async () => {
      const [one, other] = ['one', 'other'].map((seed) => writeTinyAdapter(inFolder(`${seed}.gguf`), seed));
      const path = inFolder('replaced.gguf');
      await copyFile(one!.path, path);
      const before = await answersWith({ ...one!, path });
      await copyFile(other!.path, path);
      const after = await answersWith({ ...other!, path });
      expect(before).toEqual(await answersWith(one!));
      expect(after).toEqual(await answersWith(other!));
      expect(after).not.toEqual(before);
      await expect(answersWith({ ...one!, path })).rejects.toMatchObject({ code: 'adapter-changed' });
    },
    timeout,
  );

  test.each([
    ['is cut off', 'gguf-truncated', (bytes: Buffer) => bytes.subarray(0, bytes.length - 100)],
    ['holds something else', 'gguf-magic', () => Buffer.from('not an adapter')],
    ['is a model', 'adapter-kind', () => null],
    ['has numbers that are none', 'adapter-not-numbers', (bytes: Buffer) => bytes.fill(0xff, bytes.length - 8)],
  ])(
    'that %s is refused before native code sees it, and the host lives on',
    async (name, code, damage) => {
      await lm.encode([]);
      const hosts = await hostsOf(lm);
      const { path } = writeTinyAdapter(inFolder(`${name}.gguf`), name);
      const bytes = damage(await readFile(path)) ?? (await readFile(tiny));
      await writeFile(path, bytes);
      const adapter = { path, sha256: createHash('sha256').update(bytes).digest('hex') };
      await expect(answersWith(adapter)).rejects.toMatchObject({ code });
      expect(await answersWith(null)).toEqual(undisturbed.slice(0, 6));
      expect(await hostsOf(lm)).toEqual(hosts);
    },
    timeout,
  );
});
