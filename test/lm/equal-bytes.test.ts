import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { localModel } from '../../src/lm/llama/local-model.ts';
import { answersInOrder, mixedRequests } from '../support/mixed-requests.ts';
import { writeTinyAdapter } from '../support/tiny-adapter.ts';
import { writeTinyModel } from '../support/tiny-model.ts';

// The small sister of test/long/equal-bytes.test.ts, on random weights and with adapters.

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'better-together-test-'));
});
afterAll(() => rm(folder, { recursive: true }));

test('60 mixed calls give equal bytes in two fresh hosts, in another order, and with 1 sequence instead of 8', async () => {
  const gguf = writeTinyModel(join(folder, 'tiny.gguf'));
  const adapter = writeTinyAdapter(join(folder, 'adapter.gguf'), 'one');
  const requests = mixedRequests(60, [null, adapter]);
  const answers = async (sequences: number, order: string) => {
    await using lm = await localModel({ gguf, device: 'cpu', threads: 1, sequences });
    return answersInOrder(lm, requests, order);
  };
  const first = await answers(8, 'first order');
  expect(await answers(8, 'second order')).toEqual(first);
  expect(await answers(1, 'third order')).toEqual(first);
  expect(new Set(first).size).toBeGreaterThan(20);
});
