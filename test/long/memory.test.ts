import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { localModel } from '../../src/lm/llama/local-model.ts';
import { memoryOverRestarts, memoryOverSwitches } from '../support/memory-proof.ts';
import { defaultModel } from '../support/models.ts';
import { writeTinyAdapter } from '../support/tiny-adapter.ts';

// The default model in the layout it has by default, but with one thread; memory is read from /proc.
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'better-together-test-'));
});
afterAll(() => rm(folder, { recursive: true }));

const open = () => localModel({ gguf: defaultModel, device: 'cpu', threads: 1 });
/** Adapters of 576 x 4 on one matrix: small, so that what is counted is the switching. */
const adapters = (count: number) =>
  Array.from({ length: count }, (_, index) => writeTinyAdapter(join(folder, `${index}.gguf`), `${index}`, 576));
const shown = (megabytes: readonly number[]) => megabytes.map(Math.round).join(' ');

test('100 switches between four adapters leave the host within a tenth of its memory after the first', async () => {
  await using lm = await open();
  const megabytes = await memoryOverSwitches(lm, adapters(4), 100);
  console.log(`MB after each switch: ${shown(megabytes)}`);
  expect(Math.max(...megabytes)).toBeLessThanOrEqual(1.1 * megabytes[0]!);
});

test('60 adapters, twenty to a host, need as much in the third host as in the first', async () => {
  await using lm = await open();
  const megabytes = await memoryOverSwitches(lm, adapters(60), 60);
  console.log(`MB after each new adapter: ${shown(megabytes)}`);
  const peaks = [0, 20, 40].map((start) => Math.max(...megabytes.slice(start, start + 20)));
  expect(Math.max(...peaks)).toBeLessThanOrEqual(1.1 * peaks[0]!);
});

test('50 restarts leave every host, and this process, within a tenth of the first', async () => {
  await using lm = await open();
  const found = await memoryOverRestarts(lm, adapters(1)[0]!, 50);
  for (const whose of ['host', 'ours'] as const) {
    const megabytes = found.map((memory) => memory[whose]);
    console.log(`MB after each restart, ${whose}: ${shown(megabytes)}`);
    expect(Math.max(...megabytes)).toBeLessThanOrEqual(1.1 * megabytes[0]!);
  }
});
