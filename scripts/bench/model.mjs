import { availableParallelism } from 'node:os';
import { inCheckout } from '../setup/checkout.mjs';

export const gguf = inCheckout('models/SmolLM2-135M-Instruct.Q8_0.gguf');
export const threads = availableParallelism();

const { localModel } = await import(new URL('../../dist/index.js', import.meta.url));

/** The default model on all cores. */
export const openModel = (options) => localModel({ gguf, device: 'cpu', threads, ...options });

/** A greedy request to the base weights; `maxTokens` are decoded freely unless there is a plan. */
export const requestOf = (lm, { system = '', user, answer = null, maxTokens }) => ({
  model: { base: lm.base.sha256, adapter: null },
  prompt: { system, turns: [], user },
  answer,
  choice: 'greedy',
  sampling: { temperature: 0, topK: 0, topP: 1, minP: 0, repetitionPenalty: 1, maxTokens, seed: 0 },
});

const words = ['order', 'parcel', 'late', 'card', 'bill', 'help', 'team', 'window', 'green', 'paper', 'river', 'stone'];
const more = ['music', 'house', 'table', 'train', 'light', 'water', 'bread', 'phone', 'number', 'letter', 'garden'];
const all = [...words, ...more];

/** Text of about so many tokens that no other text of another seed begins with. */
export function textOf(tokens, seed) {
  let state = seed * 2654435761 + 12345;
  const next = () => {
    state = (state * 1103515245 + 12345) % 2147483648;
    return all[Math.floor((state / 2147483648) * all.length)];
  };
  return Array.from({ length: tokens }, next).join(' ');
}

/** Asks all of them with at most so many at once; seconds it took. */
export async function secondsFor(items, inFlight, ask) {
  const waiting = [...items];
  const started = performance.now();
  const worker = async () => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await ask(item);
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
  return (performance.now() - started) / 1000;
}
