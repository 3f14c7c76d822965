import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execaSync } from 'execa';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { betterTogether, documentOf } from '../support/command-line.ts';

// Real file systems without room or without leave to write: each command gets one of its own, mounted where only it sees it.

const canMount = execaSync('unshare', ['-rm', 'true'], { reject: false }).exitCode === 0;

let folder: string;
let data: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'better-together-disk-'));
  data = join(folder, 'data.jsonl');
  const rows = ['train', 'train', 'train', 'val', 'val', 'test'].flatMap((split, index) =>
    ['a', 'b'].map((kind) => JSON.stringify({ text: `${split} ${index} ${kind}`, kind, split })),
  );
  writeFileSync(data, rows.join('\n'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const run = () => [
  'run',
  '--data',
  data,
  '--signature',
  "text -> kind: 'a' | 'b'",
  '--strategy',
  'p',
  '--set',
  'p.numCandidatePrograms=1',
  '--json',
];

/** In `$0`, mounted with these options, the command; `then` is what happens after it. */
const behind = (options: string, then = 'true') => [
  'unshare',
  '-rm',
  'sh',
  '-c',
  `mount -t tmpfs -o ${options} none "$0" && cd "$0" && "$@"; code=$?; ${then}; exit $code`,
  mkdtempSync(join(folder, 'disk-')),
];

describe('a disk', () => {
  test('that is full stops the run with the remedy, and after room was made the same command ends it', async (context) => {
    if (!canMount) context.skip('no mount namespaces here');
    const again = 'echo "first exit $code" >&2; mount -o remount,size=64m none . && "$@"; code=$?';
    const { exitCode, stdout, stderr } = await betterTogether(run(), {
      cwd: folder,
      behind: behind('size=440k', again),
    });
    expect(stderr).toContain('The disk is full');
    expect(stderr).toContain('first exit 1');
    expect(exitCode).toBe(0);
    // Two documents, one for each start.
    const ended = documentOf({ exitCode, stderr, stdout: stdout.slice(stdout.indexOf('\n}\n') + 3) });
    expect(ended.starts).toHaveLength(2);
    expect(ended.starts[0]?.calls).toBeGreaterThan(0);
    expect(ended.calls.made).toBe((ended.starts[0]?.calls ?? 0) + (ended.starts[1]?.calls ?? 0));
  });

  test('that cannot be written is refused with the remedy', async (context) => {
    if (!canMount) context.skip('no mount namespaces here');
    const { exitCode, stderr } = await betterTogether(run(), { cwd: folder, behind: behind('ro') });
    expect(stderr).toMatch(/cannot be (written|made)/);
    expect(exitCode).toBe(2);
  });
});
