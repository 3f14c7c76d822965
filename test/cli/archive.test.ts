import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { Verification } from '../../src/core/verification.ts';
import { betterTogether, documentOf, type RunDocument } from '../support/command-line.ts';
import { writeTinyModel } from '../support/tiny-model.ts';

// Real native code on random weights. Every test starts a process or two that load it.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });

let folder: string;
let gguf: string;
let run: RunDocument;
const inFolder = (name: string) => join(folder, name);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'better-together-archive-'));
  gguf = writeTinyModel(inFolder('tiny.gguf'));
  const rows = ['train', 'train', 'val', 'test'].flatMap((split, index) =>
    ['a', 'b', 'c'].map((kind) => JSON.stringify({ text: `${split} ${index} ${kind}`, kind, split })),
  );
  writeFileSync(inFolder('data.jsonl'), rows.join('\n'));
  const given = ['--data', 'data.jsonl', '--signature', "text -> kind: 'a' | 'b' | 'c'", '--model', gguf];
  const options = ['--strategy', 'l', '--optimizer', 'l=labeledFewShot', '--threads', '1', '--json'];
  run = documentOf(await betterTogether(['run', ...given, ...options], { cwd: folder }));
  await betterTogether(['export', run.run.slice(0, 12), '--archive', 'run.archive'], { cwd: folder });
  mkdirSync(inFolder('elsewhere'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The archive with one thing in it changed, past all guards. */
function changed(name: string, change: (archive: Database.Database) => void): string {
  copyFileSync(inFolder('run.archive'), inFolder(name));
  const archive = new Database(inFolder(name));
  const triggers = archive.prepare("SELECT name FROM sqlite_schema WHERE type = 'trigger'").all() as { name: string }[];
  for (const trigger of triggers) archive.exec(`DROP TRIGGER ${trigger.name}`);
  change(archive);
  archive.close();
  return inFolder(name);
}

const verify = (...args: string[]) =>
  betterTogether(['verify', ...args, '--model', gguf], { cwd: inFolder('elsewhere') });

describe('an archive', () => {
  test('is verified where there is nothing but the archive and the model', async () => {
    const { stdout, exitCode } = await verify(inFolder('run.archive'), '--all');
    expect(stdout).toContain(`All ${run.calls.made} answers are equal, byte for byte.`);
    expect(exitCode).toBe(0);
  });

  test('is imported into another store, once, and the run is the same there', async () => {
    const store = ['--store', 'other.sqlite'];
    const into = { cwd: inFolder('elsewhere') };
    const imported = await betterTogether(['import', inFolder('run.archive'), ...store, '--json'], into);
    expect(documentOf(imported)).toEqual({ run: run.run, store: 'other.sqlite' });
    const here = documentOf<object>(await betterTogether(['show', run.run, '--json'], { cwd: folder }));
    const there = documentOf<object>(await betterTogether(['show', run.run, ...store, '--json'], into));
    expect(there).toEqual(here);
    const verification = documentOf<Verification>(await verify(run.run, ...store, '--all', '--json'));
    expect(verification).toMatchObject({ status: 'agrees', altered: [] });
    const again = await betterTogether(['import', inFolder('run.archive'), ...store], into);
    expect(again.stderr).toContain('is in other.sqlite already');
    expect(again.exitCode).toBe(2);
  });

  test.each([
    ['an example', "UPDATE example SET example = replace(example, 'test 3 b', 'test 3 c')", /example [0-9a-f]{64} is/],
    [
      'an answer',
      "UPDATE call SET response = replace(response, 'usage', 'usagf') WHERE rowid = 2",
      /call [0-9a-f]{64} is/,
    ],
    [
      'a shared request',
      "UPDATE shared SET request = request || ' ' WHERE number = 1",
      /shared request [0-9a-f]{64} is/,
    ],
    ['an event', "UPDATE event SET event = event || ' ' WHERE position = 3", /event 3 is/],
    ['a missing call', 'DELETE FROM call WHERE rowid = 2', /call [0-9a-f]{64} is/],
  ])('names %s that was changed, and is not taken in', async (name, sql, thing) => {
    const path = changed(`${name}.archive`, (archive) => archive.exec(sql));
    const { stderr, exitCode } = await verify(path);
    expect(stderr).toMatch(thing);
    expect(stderr.match(/is not what was archived/g)).toHaveLength(1);
    expect(exitCode).toBe(2);
  });

  test('is not written over a file, and not read from anything else', async () => {
    const written = await betterTogether(['export', run.run, '--archive', 'data.jsonl'], { cwd: folder });
    expect(written.stderr).toContain('data.jsonl is there already');
    const read = await betterTogether(['import', 'data.jsonl', '--store', 'new.sqlite'], { cwd: folder });
    expect(read.stderr).toContain('data.jsonl is not an archive of a run');
    expect([written.exitCode, read.exitCode]).toEqual([2, 2]);
  });
});

test('verify names an example that was changed in the store', async () => {
  const store = inFolder('.better-together/runs.sqlite');
  const database = new Database(store);
  database.exec('DROP TRIGGER example_no_update');
  database.exec("UPDATE example SET example = replace(example, 'train 0 a', 'train 0 b')");
  database.close();
  const verification = documentOf<Verification>(
    await betterTogether(['verify', run.run, '--model', gguf, '--sample', '2', '--json'], { cwd: folder }),
  );
  expect(verification.status).toBe('differs');
  expect(verification.altered).toEqual([expect.stringMatching(/^example [0-9a-f]{64} \(train, row \d\)$/)]);
});
