import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { encodings, reencoded } from '../support/encodings.ts';
import { exportFaults, judgeAdapters, judgedTable, variantsOf } from '../support/judge-adapters.ts';
import { defaultModel } from '../support/models.ts';
import { ticketRows } from '../support/real-weight-step.ts';
import { python } from '../support/trainer-jobs.ts';

// No false alarm on right adapters, and none of the faults served, on every kind of file. The tables are those of docs/weights.md.

let root: string;
let tiny: string;
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'better-together-gates-'));
  tiny = join(root, 'tiny.gguf');
  await python('tiny_model.py', tiny, '--feed-forward', '256');
});
afterAll(() => rmSync(root, { recursive: true }));

const bases = [
  {
    title: 'a tiny random model, twenty adapters on each file',
    source: () => tiny,
    perFile: 20,
    setting: { texts: ticketRows(8), contextTokens: 2048, threads: 1, heads: 4, kvHeads: 2 },
    rate: 0.01,
  },
  {
    title: 'the default model, twenty adapters over all files',
    source: () => defaultModel,
    perFile: 4,
    setting: { texts: ticketRows(16), contextTokens: 1024, threads: 2, heads: 9, kvHeads: 3 },
    rate: 0.002,
  },
];

describe.each(bases)('$title', ({ title, source, perFile, setting, rate }) => {
  test('right ones pass every gate, and each fault is refused by one', async () => {
    const folder = mkdtempSync(join(root, 'base-'));
    const variants = variantsOf(encodings.length * perFile, rate);
    const trials = [];
    for (const [index, name] of encodings.entries()) {
      const own = variants.slice(index * perFile, (index + 1) * perFile);
      trials.push({ name, gguf: await reencoded(source(), folder, name), variants: own });
    }
    const judged = await judgeAdapters(trials, { root: folder, faults: exportFaults, ...setting });
    console.log(`${title}\n${judgedTable(judged)}`);
    const right = judged.filter(({ fault }) => fault === null);
    const wrong = judged.filter(({ fault }) => fault !== null);
    expect(right).toHaveLength(encodings.length * perFile);
    expect(right.filter(({ gate }) => gate !== null)).toEqual([]);
    expect(wrong).toHaveLength(encodings.length * exportFaults.length);
    expect(wrong.filter(({ gate }) => gate === null)).toEqual([]);
  });
});

test('a base that is kept as bfloat16, as for a GPU, passes the same gates', async () => {
  const folder = mkdtempSync(join(root, 'bfloat16-'));
  const variants = variantsOf(1, 0.002);
  const trials = [];
  for (const encoding of ['F16', 'Q8_0'] as const) {
    const gguf = await reencoded(defaultModel, folder, encoding);
    for (const dtype of ['float32', 'bfloat16'] as const)
      trials.push({ name: `${encoding}-${dtype}`, gguf, variants, dtype });
  }
  const setting = { texts: ticketRows(16), contextTokens: 1024, threads: 2, heads: 9, kvHeads: 3 };
  const judged = await judgeAdapters(trials, { root: folder, faults: [], ...setting });
  console.log(judgedTable(judged));
  expect(judged.map(({ gate }) => gate)).toEqual([null, null, null, null]);
});
