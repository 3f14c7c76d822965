import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { runTables } from '../../src/store/copy-run.ts';
import { readArchive, writeArchive } from '../../src/store/run-archive.ts';
import { sqliteStore } from '../../src/store/sqlite-store.ts';

let folder: string;
const inFolder = (name: string) => join(folder, name);
const adapter = createHash('sha256').update('weights').digest('hex');

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'better-together-archive-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const usage = { prompt: 1, cachedPrompt: 0, completion: 1 };

/** A store with two runs, of which the first has made a call with an adapter. */
async function storeWithRuns(): Promise<string> {
  const path = inFolder('runs.sqlite');
  const store = sqliteStore(path);
  for (const id of ['a', 'b']) store.addRun({ id, experiment: { seed: id } });
  const response = { failure: { kind: 'length' as const, message: 'too long' }, usage };
  const text = JSON.stringify({ model: { base: 'base', adapter }, prompt: {}, sampling: {}, engine: {} });
  await store.rememberCall('k', { user: 'hello', shared: { id: 's', text }, response, run: 'a', start: 1 });
  await store.rememberCall('l', { user: 'other', shared: { id: 't', text: '{}' }, response, run: 'b', start: 1 });
  writeFileSync(inFolder('new.gguf'), 'weights');
  store.keepFile('adapter', adapter, inFolder('new.gguf'));
  store.close();
  return path;
}

test('brings a run, its calls and its adapter into a store that has other calls, and nothing of other runs', async () => {
  writeArchive(await storeWithRuns(), 'a', inFolder('a.archive'));
  const other = sqliteStore(inFolder('other.sqlite'));
  const response = { failure: { kind: 'length' as const, message: 'no' }, usage };
  await other.rememberCall('x', { user: 'x', shared: { id: 'x', text: '{}' }, response, run: 'x', start: 1 });
  other.close();
  expect(readArchive(inFolder('a.archive'), inFolder('other.sqlite'))).toBe('a');
  const store = sqliteStore(inFolder('other.sqlite'));
  expect(store.runs().map(({ id }) => id)).toEqual(['a']);
  expect(store.call('k')?.request.model).toEqual({ base: 'base', adapter });
  expect(store.recallCall('l')).toBeUndefined();
  expect(readFileSync(store.file('adapter', adapter) ?? '', 'utf8')).toBe('weights');
  store.close();
});

test('names an adapter of which one byte was changed, and takes nothing in', async () => {
  writeArchive(await storeWithRuns(), 'a', inFolder('a.archive'));
  const archive = new Database(inFolder('a.archive'));
  archive.prepare('UPDATE archived_file SET content = ?').run(Buffer.from('wEights'));
  archive.close();
  expect(() => readArchive(inFolder('a.archive'), inFolder('other.sqlite'))).toThrow(
    `adapter ${adapter} is not what was archived`,
  );
  expect(existsSync(inFolder('other.sqlite'))).toBe(false);
});

test('is not written without an adapter that the run was made with, nor left half-written', async () => {
  const path = await storeWithRuns();
  rmSync(join(`${path}.files`, 'adapters', `${adapter}.gguf`));
  expect(() => writeArchive(path, 'a', inFolder('a.archive'))).toThrow(`The run was made with adapter ${adapter}`);
  expect(existsSync(inFolder('a.archive'))).toBe(false);
});

test('says so where another version wrote it', async () => {
  writeArchive(await storeWithRuns(), 'a', inFolder('a.archive'));
  const archive = new Database(inFolder('a.archive'));
  archive.pragma('user_version = 99');
  archive.close();
  expect(() => readArchive(inFolder('a.archive'), inFolder('other.sqlite'))).toThrow('has version 99');
});

test('has every table of a store but those that no run needs', () => {
  sqliteStore(inFolder('new.sqlite')).close();
  const database = new Database(inFolder('new.sqlite'));
  const tables = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").pluck().all();
  database.close();
  // Vectors are made again; what a merge was made from is named by its file.
  const leftOut = ['embedding', 'merge'];
  expect(tables.toSorted()).toEqual([...runTables.map(({ name }) => name), ...leftOut].toSorted());
});
