import { arch, cpus, loadavg } from 'node:os';
import { performance } from 'node:perf_hooks';
import type { AnswerPlan, LmResponse, Prompt, Sampling } from '../../src/core/lm.ts';
import { type LocalModel, localModel } from '../../src/lm/llama/local-model.ts';

// What the model host costs: its opening, a row of a classification, and what sharing a prefix and decoding together save. The ratios hold
// on a busy machine too, because both of their sides are measured in turn.

export interface HostFigures {
  /** First opening, with the probe of reproducibility; and again, without. */
  readonly openSeconds: number;
  readonly reopenSeconds: number;
  readonly labelRowsPerSecond: number;
  /** Seconds per row when each row has a prefix of its own, over those when all share one. */
  readonly sharedPrefixGain: number;
  readonly generatedTokensPerSecond: number;
  /** Tokens per second with all sequences, over those with one answer at a time. */
  readonly togetherGain: number;
}

export interface HostBenchmark {
  readonly name: 'host';
  readonly figures: HostFigures;
  readonly environment: { readonly [key: string]: string | number };
}

export async function host(gguf: string, threads?: number): Promise<HostBenchmark> {
  const loadBefore = loadavg()[0] ?? 0;
  await using lm = await localModel({ gguf, device: 'cpu', ...(threads && { threads }) });
  const openSeconds = await secondsOf(() => lm.engine());
  await lm.release();
  const reopenSeconds = await secondsOf(() => label(lm, row(0)));

  const shared = await secondsOf(() => Promise.all(upTo(60, (index) => label(lm, row(index)))));
  const unshared = await secondsOf(() => Promise.all(upTo(8, (index) => label(lm, row(index, `${index}. `)))));
  const together = await secondsOf(() => Promise.all(upTo(16, (index) => generate(lm, index))));
  const alone = await secondsOf(async () => {
    for (const index of upTo(4, (i) => i)) await generate(lm, index);
  });

  const engine = await lm.engine();
  return {
    name: 'host',
    figures: {
      openSeconds,
      reopenSeconds,
      labelRowsPerSecond: 60 / shared,
      sharedPrefixGain: unshared / 8 / (shared / 60),
      generatedTokensPerSecond: (16 * newTokens) / together,
      togetherGain: alone / 4 / (together / 16),
    },
    environment: {
      processor: cpus()[0]?.model ?? 'unknown',
      architecture: arch(),
      node: process.version,
      model: lm.base.name,
      fileType: lm.base.fileType,
      backend: engine.backend,
      threads: engine.threads,
      sequences: engine.sequences,
      loadBefore,
    },
  };
}

const labels = [
  'balance',
  'bill due',
  'credit limit',
  'card declined',
  'direct deposit',
  'exchange rate',
  'freeze account',
  'interest rate',
  'min payment',
  'pay bill',
  'pin change',
  'report fraud',
];
const plan: AnswerPlan = [
  { type: 'text', text: '{"label": "' },
  { type: 'choice', options: labels },
  { type: 'text', text: '"}' },
];
const words = 'please help me with my card because the payment was charged twice and the money never arrived'.split(
  ' ',
);
const newTokens = 24;

const upTo = <Item>(count: number, item: (index: number) => Item): Item[] =>
  Array.from({ length: count }, (_, i) => item(i));
const text = (seed: number, length: number): string =>
  upTo(length, (index) => words[(seed * 7 + index * (3 + (seed % 5))) % words.length]).join(' ');

/** About 250 tokens that all rows share, and 50 of its own; `mark` makes the shared part the row's own too. */
const row = (index: number, mark = ''): Prompt => ({
  system: `${mark}Classify the message of a customer of a bank. Answer with one of ${labels.join(', ')}.`,
  turns: upTo(5, (demo) => ({ user: text(demo, 20), assistant: `{"label": "${labels[demo]}"}` })),
  user: text(index, 40),
});

const label = (lm: LocalModel, prompt: Prompt): Promise<LmResponse> => call(lm, prompt, plan, 32);

/** Free decoding, cut off at a fixed number of tokens. */
const generate = (lm: LocalModel, index: number): Promise<LmResponse> =>
  call(lm, { system: 'Write a long story.', turns: [], user: text(index, 10) }, null, newTokens);

function call(lm: LocalModel, prompt: Prompt, answer: AnswerPlan, maxTokens: number): Promise<LmResponse> {
  const sampling: Sampling = { temperature: 0, topP: 1, maxTokens, seed: 0 };
  const model = { base: lm.base.sha256, adapter: null };
  return lm.generate({ model, prompt, answer, choice: 'greedy', sampling }, { adapter: null });
}

async function secondsOf(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}
