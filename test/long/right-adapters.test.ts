import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { encodings, reencoded } from '../support/encodings.ts';
import { exportFaults, type Judged, judgeAdapters, judgedTable, variantsOf } from '../support/judge-adapters.ts';
import { ticketRows } from '../support/real-weight-step.ts';
import { python } from '../support/trainer-jobs.ts';

// One adapter on each kind of file, on a tiny random model. test/long/gates.test.ts has twenty on each, and the default model.

let root: string;
let judged: readonly Judged[];
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'better-together-right-'));
  const source = join(root, 'tiny.gguf');
  // Rows of 256 numbers in one matrix of each block, which K-quants need.
  await python('tiny_model.py', source, '--feed-forward', '256');
  const variants = variantsOf(encodings.length, 0.01);
  const trials = encodings.map(async (name, index) => ({
    name,
    gguf: await reencoded(source, root, name),
    variants: [variants[index]!],
  }));
  judged = await judgeAdapters(await Promise.all(trials), {
    root,
    texts: ticketRows(8),
    contextTokens: 2048,
    threads: 1,
    faults: exportFaults,
    heads: 4,
    kvHeads: 2,
  });
  console.log(judgedTable(judged));
}, 1_200_000);
afterAll(() => rmSync(root, { recursive: true }));

test.each(encodings)('a right adapter on a base of %s passes every gate, and with a fault it does not', (encoding) => {
  const [right, ...wrong] = judged.filter(({ base }) => base === encoding);
  expect(right!.gate).toBeNull();
  expect(wrong.filter(({ gate }) => gate === null).map(({ fault }) => fault)).toEqual([]);
});
