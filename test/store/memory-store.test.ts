import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { memoryStore } from '../../src/store/sqlite-store.ts';
import { storeContract } from '../contract/store-contract.ts';

storeContract('a memory store', memoryStore);

test('leaves no files behind', () => {
  const store = memoryStore();
  const folder = store.workFolder('w');
  store.close();
  expect(existsSync(folder)).toBe(false);
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
