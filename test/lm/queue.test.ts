import { expect, test } from 'vitest';
import { createQueue, type Queued } from '../../src/lm/llama/queue.ts';

interface Item extends Queued {
  readonly name: string;
}

const item = (name: string, prefix: string, adapter?: string): Item => ({
  name,
  prefix: { key: prefix, ids: [], parent: null },
  adapter: adapter === undefined ? null : { sha256: adapter, path: `${adapter}.gguf` },
});

function drain(queue: ReturnType<typeof createQueue<Item>>): string[] {
  const names: string[] = [];
  while (queue.turn()) names.push(queue.take().name);
  return names;
}

test('items with the same weights and prefix are served together, in the order of their first', () => {
  const queue = createQueue<Item>();
  for (const next of [item('a1', 'p'), item('b1', 'q'), item('a2', 'p'), item('c1', 'p', 'lora'), item('b2', 'q')])
    queue.add(next);
  expect(queue.isWaiting()).toBe(true);
  expect(drain(queue)).toEqual(['a1', 'a2', 'b1', 'b2', 'c1']);
  expect(queue.isWaiting()).toBe(false);
});

test('a long group lets the others through between its turns', () => {
  const queue = createQueue<Item>();
  for (let i = 0; i < 150; i++) queue.add(item('long', 'p'));
  queue.add(item('short', 'q'));
  expect(drain(queue).indexOf('short')).toBe(64);
});

test('a group that cannot be served leaves the queue whole', () => {
  const queue = createQueue<Item>();
  for (const next of [item('a1', 'p', 'bad'), item('b1', 'q'), item('a2', 'p', 'bad')]) queue.add(next);
  queue.turn();
  expect(queue.dropTurn().map(({ name }) => name)).toEqual(['a1', 'a2']);
  expect(drain(queue)).toEqual(['b1']);
});
