import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { InputError } from '../../src/core/errors.ts';
import { readBaseFolder } from '../../src/trainer/base-folder.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'better-together-base-folder-'));
  write('config.json', '{}');
  write('model.safetensors', 'weights');
});
afterEach(() => rmSync(folder, { recursive: true }));

const write = (name: string, text: string) => writeFileSync(join(folder, name), text);
const sha256 = async () => (await readBaseFolder(folder)).sha256;

test('settings, weights and tokens make its name, in which order they were written does not', async () => {
  const names = [await sha256()];
  for (const name of ['config.json', 'model.safetensors', 'model-2.safetensors', 'tokenizer.json']) {
    write(name, 'other');
    names.push(await sha256());
  }
  expect(new Set(names).size).toBe(5);
});

test('what the import does not read does not count', async () => {
  const before = await sha256();
  write('README.md', 'hello');
  write('pytorch_model.bin', 'a pickle');
  expect(await sha256()).toBe(before);
});

test.each(['config.json', 'model.safetensors'])('a folder without %s is refused, with the remedy', async (name) => {
  rmSync(join(folder, name));
  const error = await readBaseFolder(folder).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(InputError);
  expect(error).toMatchObject({ code: 'base-folder-invalid', message: expect.stringContaining(folder) });
});
