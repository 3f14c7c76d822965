import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { InputError, WorldError } from '../../src/core/errors.ts';
import { databaseError } from '../../src/store/database-error.ts';
import { sqliteStore } from '../../src/store/sqlite-store.ts';
import { storeContract } from '../contract/store-contract.ts';
import { startProgram } from '../system/program.ts';

const writer = new URL('./call-writer.ts', import.meta.url);
const holder = new URL('./run-holder.ts', import.meta.url);

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'better-together-store-'));
  path = join(folder, 'runs.sqlite');
});
afterEach(() => rmSync(folder, { recursive: true }));

storeContract('an SQLite store', () => sqliteStore(path));

test('what one opening stored the next one finds', () => {
  const first = sqliteStore(path);
  first.addRun({ id: 'a', experiment: { seed: 0 } });
  const kept = first.keepFile('adapter', 'abc', fileWith('weights'));
  first.close();
  const second = sqliteStore(path);
  expect([second.run('a')?.experiment, second.file('adapter', 'abc')]).toEqual([{ seed: 0 }, kept]);
  second.close();
});

test('what calls share is stored once, and each call is whole together with it', async () => {
  const store = sqliteStore(path);
  const shared = { id: 's1', text: '{"prompt":{"system":"Route it."}}' };
  const response = {
    failure: { kind: 'length', message: '' },
    usage: { prompt: 1, cachedPrompt: 0, completion: 1 },
  } as const;
  for (const user of ['Lost.', 'Paid twice.'])
    await store.rememberCall(user, { user, shared, response, run: 'a', start: 1 });
  store.close();
  const database = new Database(path);
  const sql = `SELECT count(DISTINCT shared) AS parts, group_concat(json_set(request, '$.prompt.user', user), ' ') AS requests
    FROM call JOIN shared ON shared = number`;
  expect(database.prepare(sql).get()).toEqual({
    parts: 1,
    requests: '{"prompt":{"system":"Route it.","user":"Lost."}} {"prompt":{"system":"Route it.","user":"Paid twice."}}',
  });
  database.close();
});

test('what waits to be written is written when the store is closed', async () => {
  const store = sqliteStore(path);
  const response = {
    failure: { kind: 'length', message: '' },
    usage: { prompt: 1, cachedPrompt: 0, completion: 1 },
  } as const;
  const written = store.rememberCall('k', {
    user: 'Lost.',
    shared: { id: 's1', text: '{}' },
    response,
    run: 'a',
    start: 1,
  });
  store.close();
  await written;
  const again = sqliteStore(path);
  expect(again.recallCall('k')).toEqual(response);
  again.close();
});

test('is for this user only', () => {
  const store = sqliteStore(join(folder, 'new', 'runs.sqlite'));
  store.addStart('a');
  store.workFolder('w');
  store.holdRun('a')();
  const mode = (name: string) => (statSync(join(folder, 'new', name)).mode & 0o777).toString(8);
  expect(['', 'runs.sqlite.files', 'runs.sqlite.files/work', 'runs.sqlite.files/work/w'].map(mode)).toEqual(
    Array(4).fill('700'),
  );
  const files = ['', '-wal', '-shm', '.files/locks/a.lock', '.files/locks/a.lock.pid'];
  expect(files.map((end) => mode(`runs.sqlite${end}`))).toEqual(Array(5).fill('600'));
  store.close();
});

describe('changes nothing that was written:', () => {
  test.each([
    'run',
    'layout',
    'summary',
    'start',
    'start_end',
    'event',
    'shared',
    'call',
    'training',
    'embedding',
    'data_set',
    'merge',
    'example',
    'split',
  ])('%s', (table) => {
    sqliteStore(path).close();
    const database = new Database(path);
    const literals: { readonly [type: string]: string } = { TEXT: "'{}'", INTEGER: '1', BLOB: "x'00'" };
    const columns = database.pragma(`table_info(${table})`) as { name: string; type: string }[]; // `as`: what the pragma is documented to return
    const values = columns.map(({ type }) => literals[type]);
    database.exec(`INSERT INTO ${table} VALUES (${values})`);
    const column = columns[0]?.name;
    expect(() => database.exec(`UPDATE ${table} SET ${column} = ${column}`)).toThrow('a store is insert-only');
    expect(() => database.exec(`DELETE FROM ${table}`)).toThrow('a store is insert-only');
    database.close();
  });
});

test('a store of the first version keeps what it has, and takes embeddings, data sets, merges, examples and splits', () => {
  const first = sqliteStore(path);
  first.addRun({ id: 'a', experiment: { seed: 0 } });
  first.close();
  const older = new Database(path);
  older.exec('DROP TABLE embedding; DROP TABLE data_set; DROP TABLE merge; DROP TABLE example; DROP TABLE split');
  older.pragma('user_version = 2');
  older.close();
  const store = sqliteStore(path);
  store.rememberEmbeddings(new Map([['k', new Float32Array([1])]]));
  store.addDataSet('d', { base: 'b', rows: [] });
  store.rememberMerge('m', { merged: 'f', gates: {} }, {});
  const lost = { id: 'e', inputs: { ticket: 'Lost.' }, labels: {} };
  store.addExamples([lost]);
  store.addSplits('a', { train: ['e'], val: [], test: [] });
  expect(store.run('a')?.experiment).toEqual({ seed: 0 });
  expect([store.recallEmbedding('k'), store.dataSet('d'), store.recallMerge('m'), store.example('e')]).toEqual([
    new Float32Array([1]),
    { base: 'b', rows: [] },
    { merged: 'f', gates: {} },
    lost,
  ]);
  store.close();
});

describe('refuses, and leaves as it is,', () => {
  const refused = (code: string, words: RegExp) => {
    const before = existsSync(path) && statSync(path).isFile() ? readFileSync(path) : undefined;
    const error = thrownBy(() => sqliteStore(path));
    expect(error).toBeInstanceOf(InputError);
    expect(error).toMatchObject({ code, message: expect.stringMatching(words), hint: expect.stringMatching(/\w+/) });
    if (before) expect(readFileSync(path).equals(before)).toBe(true);
  };

  test('a folder', () => {
    mkdirSync(path);
    refused('store-is-folder', /runs\.sqlite is a folder/);
  });

  test('a file that is not SQLite', () => {
    writeFileSync(path, '{"ticket": "where is my parcel"}\n'.repeat(100));
    refused('store-not-sqlite', /runs\.sqlite is not an SQLite file/);
  });

  test('an SQLite file of another application', () => {
    const other = new Database(path);
    other.exec('CREATE TABLE contact (name TEXT)');
    other.close();
    refused('store-of-another-application', /not a store of better-together/);
  });

  test('a store that a newer version wrote', () => {
    sqliteStore(path).close();
    const newer = new Database(path);
    newer.pragma('user_version = 99');
    newer.close();
    refused('store-newer', /has version 99, and this one knows 7/);
  });

  test('a store from before the first release', () => {
    sqliteStore(path).close();
    const older = new Database(path);
    older.pragma('user_version = 1');
    older.close();
    refused('store-older', /from before its first release \(version 1\)/);
  });

  test('a store that was cut off', () => {
    filledStore();
    truncateSync(path, statSync(path).size - 20_000);
    refused('store-corrupt', /is damaged/);
  });

  test('a store with a page of noise in the middle', () => {
    filledStore();
    const bytes = readFileSync(path);
    writeFileSync(path, bytes.fill(0xa5, 8192, 12_288));
    refused('store-corrupt', /is damaged/);
  });

  test('a place where nothing can be written', () => {
    path = process.platform === 'darwin' ? '/System/runs.sqlite' : '/sys/runs.sqlite';
    refused('store-read-only', /cannot be written/);
  });

  test('a path through a file', () => {
    path = join(fileWith('text'), 'runs.sqlite');
    refused('store-read-only', /cannot be written/);
  });
});

test('an empty file becomes a store: a start may be killed between making the file and filling it', () => {
  writeFileSync(path, '');
  const store = sqliteStore(path);
  expect(store.runs()).toEqual([]);
  store.close();
});

describe('several processes at once', () => {
  test('make one store, and all write into it', async () => {
    const programs = ['a', 'b', 'c', 'd', 'e', 'f'].map((prefix) => startProgram(writer, [path, prefix, '100']));
    await Promise.all(programs.map((program) => program.rest()));
    const store = sqliteStore(path);
    expect(store.callTotals('run').made).toBe(600);
    store.close();
  });

  test('cannot execute the same run; a killed one does not stand in the way', async () => {
    const other = startProgram(holder, [path]);
    expect(await other.line()).toBe('held');
    const store = sqliteStore(path);
    const error = thrownBy(() => store.holdRun('run'));
    expect(error).toBeInstanceOf(WorldError);
    expect(error).toMatchObject({
      code: 'run-held',
      message: expect.stringContaining(`process ${other.process.pid} `),
    });
    other.process.kill('SIGKILL');
    await other.rest();
    store.holdRun('run')();
    store.close();
  });
});

test('every answer that a killed process was given is there, and the write-ahead log it left is used', async () => {
  const killed = startProgram(writer, [path, 'k', '1000000', '8']);
  const seen: string[] = [];
  while (seen.length < 300) seen.push((await killed.line()) ?? '');
  killed.process.kill('SIGKILL');
  seen.push(...(await killed.rest()));
  expect(statSync(`${path}-wal`).size).toBeGreaterThan(0);
  const store = sqliteStore(path);
  expect(seen.filter((key) => !store.recallCall(key))).toEqual([]);
  expect(store.callTotals('run').made - seen.length).toBeLessThanOrEqual(8);
  store.close();
});

describe('a full disk', () => {
  test('stops the run and loses nothing that was remembered', async () => {
    // A limit on the size of a file (in blocks of 512 or 1024 bytes) is what a test can have of a full disk.
    const limited = ['sh', '-c', 'ulimit -f 2000; exec "$@"', 'sh'];
    const lines = await startProgram(writer, [path, 'k', '100000', '8'], limited).rest();
    const keys = lines.filter((line) => line.startsWith('k'));
    // Everyone who waited was told.
    expect(lines.length - keys.length).toBe(8);
    for (const message of lines.slice(keys.length))
      expect(message).toMatch(/^WorldError: (The disk is full|.*cannot be read or written)/);
    const store = sqliteStore(path);
    expect(keys.length).toBeGreaterThan(10);
    expect(keys.filter((key) => !store.recallCall(key))).toEqual([]);
    store.close();
  });

  test('is named, with what to do', () => {
    const database = new Database(path);
    database.exec('CREATE TABLE t (x TEXT)');
    database.pragma('max_page_count = 2');
    const full = thrownBy(() => database.exec(`INSERT INTO t VALUES ('${'x'.repeat(10_000)}')`));
    database.close();
    expect(databaseError(full, path)).toMatchObject({
      code: 'disk-full',
      message: `The disk is full: ${path} cannot grow.`,
      hint: 'Make room. Then run the same command again: nothing computed so far is lost.',
    });
  });
});

function filledStore(): void {
  const store = sqliteStore(path);
  for (let index = 0; index < 200; index++) store.addRun({ id: `run-${index}`, experiment: 'x'.repeat(500) });
  store.close();
}

function fileWith(content: string): string {
  const file = join(folder, 'file');
  writeFileSync(file, content);
  return file;
}

function thrownBy(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}
