import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { verifyRun } from '../../src/cli/verify-run.ts';
import { callKeys } from '../../src/core/call-key.ts';
import { canonicalJson, contentId, type Fields, type Json } from '../../src/core/json.ts';
import type { AdapterFile, LmRequest, LmResponse } from '../../src/core/lm.ts';
import { firstAttempt } from '../../src/core/program.ts';
import type { Verification } from '../../src/core/verification.ts';
import { localModel } from '../../src/lm/llama/local-model.ts';
import { sqliteStore } from '../../src/store/sqlite-store.ts';
import { betterTogether, documentOf, type RunDocument, type Started } from '../support/command-line.ts';
import { labelPlan } from '../support/requests.ts';
import { writeTinyAdapter } from '../support/tiny-adapter.ts';
import { writeTinyModel } from '../support/tiny-model.ts';

// Real native code on random weights, which answers the same every time: what is verified is not wise, but it is exact.

// Each test starts one or two processes that load native code, which takes its time on a busy machine.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });

let folder: string;
let gguf: string;
let run: RunDocument;
const inFolder = (name: string) => join(folder, name);
const store = () => inFolder('.better-together/runs.sqlite');

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'better-together-verify-'));
  gguf = writeTinyModel(inFolder('tiny.gguf'));
  const rows = ['train', 'train', 'val', 'test'].flatMap((split, index) =>
    ['a', 'b', 'c'].map((kind) => JSON.stringify({ text: `${split} ${index} ${kind}`, kind, split })),
  );
  writeFileSync(inFolder('data.jsonl'), rows.join('\n'));
  const signature = "text -> kind: 'a' | 'b' | 'c'";
  const options = ['--strategy', 'p', '--set', 'p.numCandidatePrograms=1', '--threads', '1', '--json'];
  const args = ['run', '--data', 'data.jsonl', '--signature', signature, '--model', gguf, ...options];
  run = documentOf(await betterTogether(args, { cwd: folder }));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const verify = (...args: string[]) => betterTogether(['verify', run.run.slice(0, 12), ...args], { cwd: folder });
const digest = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex');

/** Puts another answer into a copy of the store, past its guards, as a bad disk or a meddler would. */
function planted(name: string, position: number, change: (response: LmResponse & { failure: null }) => LmResponse) {
  const path = inFolder(name);
  copyFileSync(store(), path);
  const database = new Database(path);
  const [{ key, response }] = database
    .prepare('SELECT key, response FROM call WHERE run = ? ORDER BY rowid LIMIT 1 OFFSET ?')
    .all(run.run, position - 1) as [{ key: string; response: string }];
  database.exec('DROP TRIGGER call_no_update');
  const changed = canonicalJson(change(JSON.parse(response)) as unknown as Json);
  database.prepare('UPDATE call SET response = ? WHERE key = ?').run(changed, key);
  database.close();
  return { path, key };
}

describe('better-together verify', () => {
  test('says that every answer of a run comes again, and leaves the store as it is', async () => {
    const before = [digest(store()), readdirSync(inFolder('.better-together'))];
    const { exitCode, stdout } = await verify('--all');
    expect(stdout).toContain(`All ${run.calls.made} answers are equal, byte for byte.`);
    expect(exitCode).toBe(0);
    expect([digest(store()), readdirSync(inFolder('.better-together'))]).toEqual(before);
  });

  test('asks the sample that was wished for', async () => {
    const verification = documentOf<Verification>(await verify('--sample', '4', '--seed', '7', '--json'));
    expect(verification).toMatchObject({
      run: run.run,
      status: 'agrees',
      calls: { stored: run.calls.made, sampled: 4 },
      bytes: { compared: 4, equal: 4 },
    });
  });

  test('finds an answer that was changed and names the call', async () => {
    const { path, key } = planted('planted.sqlite', 3, (response) => ({
      ...response,
      pieces: response.pieces.map((piece) => piece.replace(/^[abc]$/, (label) => (label === 'a' ? 'b' : 'a'))),
      completionIds: response.completionIds.map((id, index) => (index === 1 ? id + 1 : id)),
    }));
    const given = ['--all', '--store', path, '--model', gguf];
    const [human, machine] = [await verify(...given), await verify(...given, '--json')];
    expect(human.stdout).toContain(`Call 3 of ${run.calls.made}`);
    expect(human.stdout).toContain(key);
    expect(human.stdout).toMatch(/predictor: \w+, candidate: [0-9a-f]{12}/);
    expect(human.stdout).toMatch(/prompt: +"\w+ \d [abc]"/);
    expect(human.stdout).toMatch(/first differ in completionIds, at token 1: \d+ stored, \d+ now/);
    expect(human.stdout).toContain(`${run.calls.made - 1} of ${run.calls.made} answers are equal, byte for byte.`);
    expect(documentOf<Verification>(machine)).toMatchObject({
      status: 'differs',
      first: { call: key, position: 3, difference: { field: 'completionIds', token: { index: 1 } } },
    });
    expect([human.exitCode, machine.exitCode]).toEqual([1, 1]);
  });

  test('sees a single changed number', async () => {
    const { path, key } = planted('count.sqlite', 2, (response) => ({
      ...response,
      usage: { ...response.usage, cachedPrompt: response.usage.cachedPrompt + 1 },
    }));
    const { exitCode, stdout } = await verify('--all', '--store', path, '--model', gguf);
    expect(stdout).toContain(key);
    expect(stdout).toContain('first differ in usage.cachedPrompt');
    expect(exitCode).toBe(1);
  });

  test.each<[string, () => Promise<Started>, string[]]>([
    ['a run that is not there', () => betterTogether(['verify', 'abc'], { cwd: folder }), ['There is no run "abc"']],
    ['a store that is not there', () => verify('--store', 'no.sqlite'), ['There is no store at no.sqlite', '--store']],
    ['a sample of none', () => verify('--sample', '0'), ['--sample', 'at least 1']],
    ['a model file that is not there', () => verify('--model', 'no.gguf'), ['no.gguf']],
  ])('refuses %s', async (_, start, facts) => {
    const { exitCode, stderr, stdout } = await start();
    for (const fact of facts) expect(stderr).toContain(fact);
    expect([exitCode, stdout]).toEqual([2, '']);
    expect(existsSync(inFolder('no.sqlite'))).toBe(false);
  });

  test('says which model is missing, and takes it from where it lies now', async () => {
    const path = inFolder('elsewhere.sqlite');
    copyFileSync(store(), path);
    const missing = await verify('--store', path);
    expect(missing.stderr).toContain(digest(gguf));
    expect(missing.stderr).toContain('--model FILE');
    expect(missing.exitCode).toBe(2);
    expect((await verify('--store', path, '--sample', '2', '--model', gguf)).exitCode).toBe(0);
  });

  test('refuses another model than the run was made with', async () => {
    const other = writeTinyModel(inFolder('other.gguf'), 'sentencepiece');
    const { exitCode, stderr } = await verify('--model', other);
    expect(stderr).toContain(`other.gguf has sha256 ${digest(other)}`);
    expect(exitCode).toBe(2);
  });
});

describe('calls that were made with an adapter', () => {
  const experiment = { predictors: {}, initial: { predictors: {} }, teachers: [] };
  const id = contentId(experiment);
  const path = () => inFolder('adapters.sqlite');
  let adapter: AdapterFile;

  /** What a run leaves: its engine, and the answers of base and adapter. */
  beforeAll(async () => {
    adapter = writeTinyAdapter(inFolder('adapter.gguf'), 'one');
    await using lm = await localModel({ gguf, device: 'cpu', threads: 1, sequences: 2 });
    const engine = await lm.engine();
    const runs = sqliteStore(path());
    runs.addRun({ id, experiment });
    // `as`: an engine is plain data.
    runs.addLayout(id, lm.base.sha256, engine as unknown as Fields);
    for (const used of [null, adapter]) {
      const request: LmRequest = {
        model: { base: lm.base.sha256, adapter: used?.sha256 ?? null },
        prompt: { system: 'Be brief.', turns: [], user: 'Where is it?' },
        answer: labelPlan(['here', 'there', 'gone', 'lost']),
        choice: 'greedy',
        sampling: { ...firstAttempt, temperature: 1, maxTokens: 40, seed: 3 },
      };
      const response = await lm.generate(request, { adapter: used });
      const { key, shared } = callKeys()(request, engine);
      await runs.rememberCall(key, { user: request.prompt.user, shared, response, run: id, start: 1 });
    }
    runs.close();
  });

  test('are refused by the name of the adapter while it is missing', async () => {
    await expect(verifyRun(id, { store: path(), models: [gguf] })).rejects.toMatchObject({
      code: 'adapter-missing',
      message: expect.stringContaining(adapter.sha256),
      hint: expect.stringContaining('"adapters"'),
    });
  });

  test('are verified with the adapter that the store keeps', async () => {
    const runs = sqliteStore(path());
    runs.keepFile('adapter', adapter.sha256, adapter.path);
    runs.close();
    const told: number[][] = [];
    const onCall = (...progress: number[]) => told.push(progress);
    const verification = await verifyRun(id.slice(0, 8), { store: path(), models: [gguf], sample: 'all', onCall });
    expect(verification).toMatchObject({ status: 'agrees', bytes: { compared: 2, equal: 2 }, first: null });
    expect(told).toEqual([
      [1, 2],
      [2, 2],
    ]);
  });

  test('a sample that is no number of calls is refused', async () => {
    await expect(verifyRun(id, { store: path(), sample: 1.5 })).rejects.toMatchObject({ code: 'sample-invalid' });
  });
});
