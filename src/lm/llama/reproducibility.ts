import type { Prompt } from '../../core/lm.ts';
import type { Renderer } from './renderer.ts';
import type { Scheduler } from './scheduler.ts';
import { type Steps, weigh } from './steps.ts';

export interface ProbedParts {
  readonly renderer: Renderer;
  readonly scheduler: Scheduler;
  readonly vocabularySize: number;
}

/**
 * Whether answers are a function of their requests alone, to the last bit: a few short requests, with two prefixes in turn, are asked one
 * by one and then all at once, where they meet other slots, copied prefixes and company.
 */
export async function isReproducible(parts: ProbedParts): Promise<boolean> {
  const alone: string[] = [];
  for (const request of requests) alone.push(await ask(parts, request));
  const together = await Promise.all([...requests].reverse().map((request) => ask(parts, request)));
  return together.reverse().every((logits, index) => logits === alone[index]);
}

/** A prompt and two tokens, for what their passes show of the model's speed. */
export async function warmUp(parts: ProbedParts): Promise<void> {
  await ask(parts, requests[0]!);
}

async function ask({ renderer, scheduler, vocabularySize }: ProbedParts, prompt: Prompt): Promise<string> {
  const among = Array.from({ length: 24 }, (_, index) => Math.floor((index * vocabularySize) / 24));
  const { ids, prefix } = renderer.prompt(prompt);
  const steps = () => logitsAlong(prefix.ids.length, ids, among);
  const { signal } = new AbortController();
  return (await scheduler.run({ adapter: null, prefix, signal, onStart: () => {}, steps })).join(' ');
}

/** One prompt pass and two single-token passes, all their logits at some tokens. */
function* logitsAlong(cached: number, ids: readonly number[], among: readonly number[]): Steps<readonly number[]> {
  const { logits } = yield* weigh({ keep: cached, tokens: ids.slice(cached) }, among);
  const seen = [...logits];
  for (const [index, token] of ids.slice(-2).entries()) {
    const next = yield* weigh({ keep: ids.length + index, tokens: [token] }, among);
    seen.push(...next.logits);
  }
  return seen;
}

// Short, because this is part of every first opening: about a hundred tokens in all.
const requests: readonly Prompt[] = [
  { system: 'Be brief.', turns: [], user: 'My parcel never came.' },
  { system: 'Say why.', turns: [], user: 'Who is this?' },
  { system: 'Be brief.', turns: [], user: 'Two charges for one order?' },
];
