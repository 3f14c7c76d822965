import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { outputOf, startWorker, type WorkerOptions } from '../../src/system/process.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'better-together-process-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const node = (code: string) => ({
  program: process.execPath,
  args: ['-e', `const { writeSync } = require('node:fs'); ${code}`],
  environment: { GREETING: 'hello' },
});

describe('a short program', () => {
  test('is run to its end with our environment and more', async () => {
    const { stdout, stderr, ...end } = await outputOf(
      node('console.log(process.env.GREETING, !!process.env.PATH); console.error("oh"); process.exit(3)'),
    );
    expect([stdout, stderr, end]).toEqual(['hello true', 'oh', { exitCode: 3, signal: null, startError: null }]);
  });

  test('that is not there has not ended, it never started', async () => {
    expect(await outputOf({ program: '/none/such', args: [], environment: {} })).toMatchObject({
      exitCode: null,
      signal: null,
      startError: 'ENOENT',
    });
  });
});

describe('a worker', () => {
  const start = (code: string, options: Partial<WorkerOptions> = {}) =>
    startWorker(node(code), {
      folder,
      logFile: join(folder, 'log'),
      linesFile: null,
      graceMs: 60_000,
      ...options,
    });

  test('is heard line by line, however long the line, and its output is in the log', async () => {
    const worker = start(
      'writeSync(3, "a\\nb".repeat(2) + "x".repeat(1e6) + "\\nlast"); console.log("out"); console.error("err")',
    );
    expect((await allOf(worker.lines)).map((line) => line.length)).toEqual([1, 2, 1_000_001, 4]);
    expect(await worker.end).toEqual({ exitCode: 0, signal: null, startError: null });
    expect(readFileSync(join(folder, 'log'), 'utf8')).toBe('out\nerr\n');
  });

  test('may write its lines to a file; those of an earlier life are not heard', async () => {
    const linesFile = join(folder, 'lines');
    writeFileSync(linesFile, 'from an earlier life\n');
    const append = `require('node:fs').appendFileSync(${JSON.stringify(linesFile)}`;
    const worker = start(`${append}, 'one\\ntw'); setTimeout(() => ${append}, 'o\\n'), 400)`, { linesFile });
    expect(await allOf(worker.lines)).toEqual(['one', 'two']);
  });

  test('is killed at once', async () => {
    const worker = start('writeSync(3, "up\\n"); process.on("SIGTERM", () => {}); setInterval(() => {}, 1000)');
    for await (const _ of worker.lines) worker.kill();
    expect(await worker.end).toEqual({ exitCode: null, signal: 'SIGKILL', startError: null });
  });

  test('is asked to stop by a signal, and ends as it likes within its time', async () => {
    const stop = new AbortController();
    const worker = start(
      'process.on("SIGTERM", () => process.exit(75)); writeSync(3, "up\\n"); setInterval(() => {}, 1000)',
      {
        signal: stop.signal,
      },
    );
    for await (const _ of worker.lines) stop.abort();
    expect(await worker.end).toMatchObject({ exitCode: 75 });
  });
});

async function allOf(lines: AsyncIterable<string>): Promise<string[]> {
  const all: string[] = [];
  for await (const line of lines) all.push(line);
  return all;
}
