import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { memoryStore } from '../../src/store/sqlite-store.ts';
import { storeContract } from '../contract/store-contract.ts';
import { startProgram } from '../system/program.ts';

storeContract('a memory store', memoryStore);

test('leaves no files behind', () => {
  const store = memoryStore();
  const folder = store.workFolder('w');
  store.close();
  expect(existsSync(folder)).toBe(false);
});

test('needs no folder for a run that is held, and leaves none when it was never closed', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'better-together-memory-'));
  const program = startProgram(new URL('./unclosed-store.ts', import.meta.url), [], ['env', `TMPDIR=${folder}`]);
  expect(await program.rest()).toEqual(['holding a run: 0 folders', 'working: 1 folders']);
  expect(readdirSync(folder)).toEqual([]);
  rmSync(folder, { recursive: true });
});

test('shares nothing with another one', () => {
  const [one, other] = [memoryStore(), memoryStore()];
  one.addRun({ id: 'a', experiment: {} });
  one.holdRun('a');
  other.holdRun('a');
  expect(other.runs()).toEqual([]);
  one.close();
  other.close();
});
