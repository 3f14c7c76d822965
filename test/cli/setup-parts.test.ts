import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WriteStream } from 'node:tty';
import { expect, test } from 'vitest';
import { requireSpace } from '../../src/cli/setup/disk-space.ts';
import { requirePlatform } from '../../src/cli/setup/platform.ts';
import { screenOn } from '../../src/cli/setup/terminal.ts';
import { uvEnvironment } from '../../src/cli/setup/uv.ts';

test('names the folder, the need and what there is when the disk has too little room', () => {
  const folder = join(tmpdir(), 'not', 'there', 'yet');
  expect(() => requireSpace(folder, 6.5e9, () => 2.04e9)).toThrow(
    `${folder} needs 6.5 GB of disk space; 2.0 GB are free.`,
  );
  expect(() => requireSpace(folder, 6.5e9, () => 6.5e9)).not.toThrow();
});

test('asks the disk of the nearest folder that exists', () => {
  expect(() => requireSpace(join(tmpdir(), 'not', 'there', 'yet'), 1)).not.toThrow();
  expect(() => requireSpace(join(tmpdir(), 'not', 'there', 'yet'), 1e18)).toThrow('needs 1000000000.0 GB');
});

test('refuses the machines that torch or node-llama-cpp has no build for, and no others', () => {
  const linux = { system: 'linux', processor: 'x64' };
  expect(() => requirePlatform({ ...linux, glibc: null })).toThrow('no glibc');
  expect(() => requirePlatform({ ...linux, glibc: '2.31' })).toThrow('glibc 2.31; node-llama-cpp needs 2.34');
  expect(() => requirePlatform({ ...linux, glibc: '2.34' })).not.toThrow();
  expect(() => requirePlatform({ system: 'darwin', processor: 'x64', glibc: null })).toThrow('Intel');
  expect(() => requirePlatform({ system: 'darwin', processor: 'arm64', glibc: null })).not.toThrow();
  expect(() => requirePlatform()).not.toThrow(); // it is running the tests
});

const uvEnvironmentWith = (variables: Record<string, string>): Record<string, string> =>
  uvEnvironment((name) => variables[name]);

test('uv looks where the user told pip to look, and never fetches a Python', () => {
  const always = { UV_PYTHON_DOWNLOADS: 'never', NO_COLOR: '1' };
  expect(uvEnvironmentWith({})).toEqual(always);
  expect(uvEnvironmentWith({ PIP_INDEX_URL: 'mirror', PIP_FIND_LINKS: 'wheels more', PIP_NO_INDEX: '1' })).toEqual({
    ...always,
    UV_DEFAULT_INDEX: 'mirror',
    UV_FIND_LINKS: 'wheels,more',
    UV_NO_INDEX: '1',
  });
});

test('what the user told uv itself counts more than what was told pip', () => {
  const told = uvEnvironmentWith({ PIP_INDEX_URL: 'mirror', UV_INDEX_URL: 'nearer mirror' });
  expect(told).not.toHaveProperty('UV_DEFAULT_INDEX');
});

/** What a stream is given, with or without a terminal behind it. */
function recorder(terminal: { isTTY: boolean; columns: number }): { stream: WriteStream; written: () => string } {
  let text = '';
  const write = (part: string): boolean => {
    text += part;
    return true;
  };
  const stream: WriteStream = Object.assign(Object.create(WriteStream.prototype), terminal, { write });
  return { stream, written: () => text };
}

test('without a terminal, only the lines are written', () => {
  const { stream, written } = recorder({ isTTY: false, columns: 80 });
  const screen = screenOn(stream);
  screen.onProgress('Downloading torch');
  screen.onLine('done');
  screen.close();
  expect(written()).toBe('done\n');
});

test('on a terminal, progress is shown in one line, cut to its width, and gone when a line comes', () => {
  const { stream, written } = recorder({ isTTY: true, columns: 20 });
  const screen = screenOn(stream);
  screen.onProgress('Downloading torch and more');
  screen.onLine('done');
  screen.close();
  expect(written()).toBe('\r\u001b[K⠙ Downloading torch\r\u001b[Kdone\n');
});
