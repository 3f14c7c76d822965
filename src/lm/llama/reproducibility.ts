import type { Prompt } from '../../core/lm.ts';
import { type Steps, weigh } from './answer.ts';
import type { Renderer } from './renderer.ts';
import type { Scheduler } from './scheduler.ts';

export interface ProbedParts {
  readonly renderer: Renderer;
  readonly scheduler: Scheduler;
  readonly vocabularySize: number;
}

/**
 * Whether answers are a function of their requests alone, to the last bit: a few requests are asked alone, then together (other slots,
 * in company), then again behind another prefix.
 */
export async function isReproducible({ renderer, scheduler, vocabularySize }: ProbedParts): Promise<boolean> {
  const among = Array.from({ length: 24 }, (_, index) => Math.floor((index * vocabularySize) / 24));
  const ask = async (prompt: Prompt): Promise<string> => {
    const { ids, prefix } = renderer.prompt(prompt);
    const steps = () => logitsAlong(ids.slice(prefix.ids.length), among);
    const logits = await scheduler.run({
      adapter: null,
      prefix,
      signal: new AbortController().signal,
      onStart: () => {},
      steps,
    });
    return logits.join(' ');
  };
  const alone: string[] = [];
  for (const prompt of requests) alone.push(await ask(prompt));
  const together = await Promise.all([...requests].reverse().map(ask));
  await ask({ ...requests[0]!, system: 'Answer in one word.' });
  const again = await Promise.all(requests.slice(0, 1).map(ask));
  return equal(alone, together.reverse()) && equal(alone.slice(0, 1), again);
}

const equal = (a: readonly string[], b: readonly string[]): boolean => a.every((item, index) => item === b[index]);

/** One prompt pass and some single-token passes, all their logits at some tokens. */
function* logitsAlong(own: readonly number[], among: readonly number[]): Steps<readonly number[]> {
  const logits = [...(yield* weigh(own, among))];
  for (const token of own.slice(-3)) logits.push(...(yield* weigh([token], among)));
  return logits;
}

const system = 'Say which team should answer: billing, delivery, account or technical.';
const requests: readonly Prompt[] = [
  { system, turns: [], user: 'My parcel never came, and nobody answers the phone.' },
  { system, turns: [], user: 'I was charged twice for the same order in March.' },
  { system, turns: [], user: 'Where do I change my password?' },
];
