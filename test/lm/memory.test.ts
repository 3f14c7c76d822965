import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type LocalModel, localModel } from '../../src/lm/llama/local-model.ts';
import { memoryOverRestarts, memoryOverSwitches } from '../support/memory-proof.ts';
import { defaultModel } from '../support/models.ts';
import { writeTinyAdapter } from '../support/tiny-adapter.ts';

// A few rounds of what test/long/memory.test.ts does many of. Memory is read from /proc.
const onLinux = process.platform === 'linux';
if (!onLinux) console.log('The memory of hosts is not tested here: it needs the /proc of Linux');
const timeout = 300_000;

let folder: string;
let lm: LocalModel;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'better-together-test-'));
  lm = await localModel({ gguf: defaultModel, device: 'cpu', threads: 1, sequences: 2, contextTokens: 256 });
});
afterAll(async () => {
  await lm.release();
  await rm(folder, { recursive: true });
});

const adapters = (count: number) =>
  Array.from({ length: count }, (_, index) => writeTinyAdapter(join(folder, `${index}.gguf`), `${index}`, 576));

test.runIf(onLinux)(
  'ten switches between adapters leave the host within a tenth of its memory after the first',
  async () => {
    const megabytes = await memoryOverSwitches(lm, adapters(3), 10);
    expect(Math.max(...megabytes)).toBeLessThanOrEqual(1.1 * megabytes[0]!);
  },
  timeout,
);

test.runIf(onLinux)(
  'three restarts leave every host within a tenth of the first',
  async () => {
    const hosts = (await memoryOverRestarts(lm, adapters(1)[0]!, 3)).map(({ host }) => host);
    expect(Math.max(...hosts)).toBeLessThanOrEqual(1.1 * hosts[0]!);
  },
  timeout,
);
