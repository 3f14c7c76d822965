import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import type { ChatFormatName } from '../../src/core/candidate.ts';
import { answerPlan, parseAnswer } from '../../src/core/chat-format.ts';
import { signature } from '../../src/core/signature.ts';
import { type LocalModel, localModel } from '../../src/lm/llama/local-model.ts';
import { outputTypes } from '../support/output-types.ts';
import { ask } from '../support/requests.ts';
import { writeTinyModel } from '../support/tiny-model.ts';

// Random weights at a high temperature are the most hostile sampler there is: whatever a grammar allows, they write sooner or later.
const timeout = 300_000;
let folder: string;
let lm: LocalModel;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'better-together-test-'));
  lm = await localModel({ gguf: writeTinyModel(join(folder, 'tiny.gguf')), device: 'cpu', threads: 1, sequences: 4 });
  await lm.engine();
}, timeout);
afterAll(async () => {
  await lm.release();
  await rm(folder, { recursive: true });
});

const bareFormats: readonly ChatFormatName[] = ['lines', 'markers', 'value'];
const maxTokens = 120;

const signatures = fc
  .sample(fc.tuple(outputTypes(2), outputTypes(1, true)), { seed: 4, numRuns: 20 })
  .map(([nested, bare]) => ({ json: nested.type, bare: bare.type }));

test(
  'whatever random weights write under the grammars of twenty signatures is read',
  async () => {
    const requests = signatures.flatMap(({ json, bare }, seed) => [
      { type: json, format: 'json' as const, seed },
      { type: bare, format: bareFormats[seed % bareFormats.length]!, seed },
    ]);
    const ends = await Promise.all(requests.map(endOf));
    const lengths = ends.filter((end) => end === 'length').length;
    expect(ends.filter((end) => end !== 'read' && end !== 'length')).toEqual([]);
    // Most answers end by themselves: a grammar under which none does would pass by never being read.
    expect(lengths).toBeLessThan(ends.length / 2);
    console.log(`${ends.length - lengths} answers were read, ${lengths} were cut off at ${maxTokens} tokens`);
  },
  timeout,
);

async function endOf({
  type,
  format,
  seed,
}: {
  type: z.ZodType;
  format: ChatFormatName;
  seed: number;
}): Promise<string> {
  const asked = signature({ inputs: { a: z.string() }, outputs: { b: type } });
  const answer = answerPlan(asked, { chatFormat: format, decoding: 'constrained' });
  const response = await ask(lm, { user: 'Hi', answer, sampling: { temperature: 1.5, seed, maxTokens } });
  if (response.failure) return response.failure.kind;
  try {
    parseAnswer(asked, format, response.pieces.join(''));
    return 'read';
  } catch (error) {
    return `${format}: ${error}\n${JSON.stringify(answer)}`;
  }
}
