import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { type LocalModel, localModelWith } from '../../src/lm/llama/local-model.ts';
import { createModelGate } from '../../src/run/model-gate.ts';
import { ask, labelPlan } from '../support/requests.ts';
import { writeTinyModel } from '../support/tiny-model.ts';

let folder: string;
let models: LocalModel[];
const log = () => join(folder, 'log');

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'better-together-test-'));
  // Each host writes down when its work begins and ends.
  vi.stubEnv('ODD_HOST', `logged ${log()}`);
  const settings = {
    entry: new URL('./odd-host.ts', import.meta.url),
    patienceMs: 60_000,
    openingPatienceMs: 120_000,
  };
  const kinds = ['bpe', 'sentencepiece'] as const;
  models = await Promise.all(
    kinds.map((kind) => {
      const gguf = writeTinyModel(join(folder, `${kind}.gguf`), kind);
      return localModelWith({ gguf, device: 'cpu', threads: 1, sequences: 4 }, settings);
    }),
  );
});
afterAll(async () => {
  await Promise.all(models.map((model) => model.release()));
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true });
});

interface Span {
  readonly host: string;
  readonly from: bigint;
  readonly to: bigint;
}

/** What each host was at, from the beginning of a work to its end. */
async function spans(): Promise<Span[]> {
  const began = new Map<string, bigint>();
  const found: Span[] = [];
  for (const line of (await readFile(log(), 'utf8')).trimEnd().split('\n')) {
    const [host = '', type, id, at = ''] = line.split(' ');
    const work = `${host} ${id}`;
    if (type === 'started' && !began.has(work)) began.set(work, BigInt(at));
    if (type === 'done') found.push({ host, from: began.get(work)!, to: BigInt(at) });
  }
  return found;
}

test('student and prompt model interleave behind the gate, and never compute at the same time', async () => {
  const gate = createModelGate();
  const [student, teacher] = models.map(gate.guard);
  const answer = labelPlan(['billing', 'delivery', 'a']);
  const each = 150;
  const answers = await Promise.all(
    Array.from({ length: 2 * each }, (_, index) =>
      ask(index % 2 === 0 ? student! : teacher!, { user: `word ${index}`, answer }),
    ),
  );
  expect(answers.every(({ failure }) => failure === null)).toBe(true);
  const all = await spans();
  expect(all).toHaveLength(2 * each);
  const overlaps = all.filter((one) =>
    all.some((other) => other.host !== one.host && other.from < one.to && one.from < other.to),
  );
  expect(overlaps).toEqual([]);
  // 150 calls in turns of 64, one model after the other.
  expect(gate.switches()).toBe(5);
});
