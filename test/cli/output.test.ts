import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { transformSync } from 'esbuild';
import { afterAll, beforeAll, expect, test } from 'vitest';

const folder = mkdtempSync(join(tmpdir(), 'output-'));
afterAll(() => rmSync(folder, { recursive: true }));

// A process of its own, because the promise is about its two streams.
beforeAll(() => {
  const source = readFileSync(join(import.meta.dirname, '../../src/cli/output.ts'), 'utf8');
  writeFileSync(join(folder, 'output.mjs'), transformSync(source, { loader: 'ts', format: 'esm' }).code);
});

const said = (json: boolean) => {
  const program = `
    import { output } from './output.mjs';
    const out = output(${json});
    out.note('On my way.');
    out.result({ status: 'done', score: 0.5 }, () => 'Done: 50 %');
  `;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    cwd: folder,
    encoding: 'utf8',
  });
  return { stdout, stderr };
};

test('for people the result is on stdout and notes are on stderr', () => {
  expect(said(false)).toEqual({ stdout: 'Done: 50 %\n', stderr: 'On my way.\n' });
});

test('with --json stdout is exactly one document', () => {
  const { stdout, stderr } = said(true);
  expect(stderr).toBe('On my way.\n');
  expect(JSON.parse(stdout)).toEqual({ status: 'done', score: 0.5 });
});
