import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { AnswerPlan, LmRequest } from '../../src/core/lm.ts';
import { firstAttempt } from '../../src/core/program.ts';
import { localModel } from '../../src/lm/llama/local-model.ts';
import { tokenBounds } from '../../src/run/token-bound.ts';
import { labelPlan } from '../support/requests.ts';
import { type TinyKind, writeTinyModel } from '../support/tiny-model.ts';

// A host's own counts, on vocabularies whose tokens are hardly longer than a byte.

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'better-together-bound-'));
});
afterAll(() => rm(folder, { recursive: true }));

const value = { type: 'value', grammar: 'root ::= [a-z ]{1,40} "."', end: { kind: 'text', text: '.' } } as const;
const text = fc.oneof(fc.string({ maxLength: 60 }), fc.string({ unit: 'grapheme', maxLength: 30 }));
const turn = fc.record({ user: text, assistant: text });
const plan = fc.constantFrom<AnswerPlan>(null, labelPlan(['yes', 'ähm', 'no']), [
  { type: 'text', text: 'So: ' },
  value,
]);
const asking = fc.record({
  prompt: fc.record({ system: text, turns: fc.array(turn, { maxLength: 4 }), user: text }),
  answer: plan,
  maxTokens: fc.integer({ min: 1, max: 60 }),
});

test.each<TinyKind>(['bpe', 'sentencepiece'])(
  'no request to a local host takes more tokens than its bound: %s',
  async (kind) => {
    const gguf = writeTinyModel(join(folder, `${kind}.gguf`), kind);
    const lm = await localModel({ gguf, device: 'cpu', threads: 1, sequences: 4, contextTokens: 256 });
    const engine = await lm.engine();
    const boundOf = tokenBounds();
    // Asked at once: a host is fast with many, and there is nothing here that could be made simpler.
    const takes = fc.sample(asking, { numRuns: 24, seed: 1 }).map(async ({ prompt, answer, maxTokens }) => {
      const request: LmRequest = {
        model: { base: lm.base.sha256, adapter: null },
        prompt,
        answer,
        choice: 'greedy',
        sampling: { ...firstAttempt, temperature: 1, maxTokens },
      };
      const { usage } = await lm.generate(request, { adapter: null });
      return { request, tokens: usage.prompt + usage.completion, bound: await boundOf(request, lm, engine) };
    });
    const taken = await Promise.all(takes).finally(() => lm.release());
    expect(taken.filter(({ tokens, bound }) => tokens > bound)).toEqual([]);
    // A bound that is far from what is taken would pass as well, and be of no use.
    expect(taken.some(({ tokens, bound }) => tokens > bound / 2)).toBe(true);
  },
);
