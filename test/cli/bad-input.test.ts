import { mkdtempSync, openSync, readSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { betterTogether } from '../support/command-line.ts';
import { defaultModel } from '../support/models.ts';

// What a stranger gets wrong, through the command line as they would: every case ends with exit code 2 and a message with the remedy.

let folder: string;
const file = (name: string, content: string): string => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};
const rows = (split: string, labels: readonly string[]) =>
  labels.map((kind, index) => JSON.stringify({ text: `${split} ${index} ${kind}`, kind, split }));

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'better-together-bad-'));
  file(
    'good.jsonl',
    [...rows('train', ['a', 'b', 'a', 'b']), ...rows('val', ['a', 'b']), ...rows('test', ['a', 'b'])].join('\n'),
  );
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const kind = ['--signature', "text -> kind: 'a' | 'b'"];
const run = (...args: string[]) => betterTogether(['run', ...args], { cwd: folder });

describe('data', () => {
  test.each([
    ['a missing file', () => ['--data', 'nowhere.jsonl', ...kind], ['There is no file nowhere.jsonl']],
    [
      'malformed lines, all of them',
      () => ['--data', file('bad.jsonl', '{"text": 1\n[]\n{"text": "x", "kind": "a"}\n'), ...kind],
      ['bad.jsonl:1:', 'bad.jsonl:2:'],
    ],
    [
      'a row that breaks the signature',
      () => ['--data', file('row.jsonl', '{"text": "x", "kind": "c"}\n'), ...kind],
      ['row.jsonl:1: "kind" is "c"'],
    ],
    [
      'a column that is not there',
      () => ['--data', 'good.jsonl', '--signature', "words -> kind: 'a' | 'b'"],
      ['no column "words"', 'text, kind, split'],
    ],
    [
      'an empty split',
      () => ['--data', file('empty.jsonl', rows('test', ['a', 'b']).join('\n')), ...kind],
      ['no row whose split is "train"'],
    ],
    [
      'an unknown split',
      () => ['--data', file('split.jsonl', rows('trian', ['a', 'b']).join('\n')), ...kind],
      ['split is "trian"', 'train, val or test'],
    ],
    [
      'a label that train never shows',
      () => [
        '--data',
        file('unseen.jsonl', [...rows('train', ['a', 'a']), ...rows('test', ['b', 'b', 'b', 'b'])].join('\n')),
        ...kind,
      ],
      ['"b" occurs 4 times in test, but never in train'],
    ],
    ['no data at all', () => kind, ['There is no data']],
  ])('refuses %s', async (_, args, facts) => {
    const { exitCode, stderr, stdout } = await run(...args());
    for (const fact of facts) expect(stderr).toContain(fact);
    expect([exitCode, stdout]).toEqual([2, '']);
  });
});

describe('models', () => {
  const withModel = (path: string) => run('--data', 'good.jsonl', ...kind, '--model', path);

  test.each([
    ['a file that is not there', () => join(folder, 'nowhere.gguf'), 'nowhere.gguf'],
    ['a file that is no GGUF', () => file('text.gguf', 'This is no model at all, only a text.'), 'GGUF'],
    ['a folder', () => folder, 'folder'],
  ])('refuses %s', async (_, path, fact) => {
    const { exitCode, stderr } = await withModel(path());
    expect(stderr).toContain(fact);
    expect(exitCode).toBe(2);
  });

  test('refuses a truncated GGUF and says that bytes are missing', async () => {
    const head = Buffer.alloc(4_000_000);
    readSync(openSync(defaultModel, 'r'), head);
    const path = join(folder, 'truncated.gguf');
    writeFileSync(path, head);
    truncateSync(path, 3_500_000);
    const { exitCode, stderr } = await withModel(path);
    expect(stderr).toMatch(/truncated|missing|bytes/);
    expect(exitCode).toBe(2);
  });
});

describe('options', () => {
  test.each([
    ['a strategy with an unknown key', ['--strategy', 'p -> q'], 'Step 2 of the strategy "p -> q" is "q"'],
    ['an empty strategy', ['--strategy', ' '], 'The strategy is empty'],
    ['a number that is none', ['--seed', 'seven'], 'whole number'],
    ['an unknown optimizer', ['--optimizer', 'p=magic'], 'There is no optimizer "magic"'],
    ['a parameter that an optimizer does not have', ['--set', 'p.breadth=3'], 'has no parameter "breadth"'],
    ['a parameter of the wrong type', ['--set', 'p.numCandidatePrograms=many'], 'numCandidatePrograms'],
    ['an unknown metric', ['--metric', 'beauty'], 'There is no metric "beauty"'],
    ['an unknown flag', ['--fast'], "unknown option '--fast'"],
    ['an unknown choice', ['--device', 'tpu'], 'Allowed choices are auto, cpu, cuda, metal'],
  ])('refuses %s', async (_, args, fact) => {
    const { exitCode, stderr } = await run('--data', 'good.jsonl', ...kind, ...args);
    expect(stderr).toContain(fact);
    expect(exitCode).toBe(2);
  });

  test('prints one JSON document about the mistake with --json', async () => {
    const { exitCode, stdout } = await run('--data', 'nowhere.jsonl', ...kind, '--json');
    expect(JSON.parse(stdout)).toMatchObject({ status: 'failed', error: { code: 'data-unreadable' } });
    expect(exitCode).toBe(2);
  });
});

describe('experiment files', () => {
  test('names the file that cannot be run', async () => {
    const { exitCode, stderr } = await run(file('broken.ts', 'export default {'));
    expect(stderr).toContain('broken.ts cannot be run');
    expect(exitCode).toBe(2);
  });
});

describe('stores', () => {
  test('refuses a file that is not a store', async () => {
    const { exitCode, stderr } = await betterTogether(
      ['runs', '--store', file('notes.sqlite', 'These are notes, not a database. '.repeat(99))],
      { cwd: folder },
    );
    expect(stderr).toContain('notes.sqlite');
    expect(exitCode).toBe(2);
  });

  test('says what to do with an unknown run', async () => {
    const { exitCode, stderr } = await betterTogether(['show', 'abc', '--store', join(folder, 'fresh.sqlite')], {
      cwd: folder,
    });
    expect(stderr).toContain('There is no run "abc"');
    expect(exitCode).toBe(2);
  });
});
