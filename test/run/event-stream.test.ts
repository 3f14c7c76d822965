import { expect, test } from 'vitest';
import { eventStream } from '../../src/run/event-stream.ts';

const numbers = () => eventStream<number>((number) => number < 0);

async function rest(iterator: AsyncIterator<number>): Promise<number[]> {
  const seen: number[] = [];
  for (let next = await iterator.next(); !next.done; next = await iterator.next()) seen.push(next.value);
  return seen;
}

test('an iterator that starts late sees every lasting event, and no passing one that is over', async () => {
  const stream = numbers();
  for (const event of [1, -1, 2, -2, 3]) stream.push(event);
  stream.end();
  expect(await rest(stream.iterate())).toEqual([1, 2, 3]);
});

test('an iterator that waits is told what passes', async () => {
  const stream = numbers();
  const iterator = stream.iterate();
  const first = iterator.next();
  stream.push(-1);
  expect(await first).toEqual({ done: false, value: -1 });
  const second = iterator.next();
  stream.push(7);
  expect(await second).toEqual({ done: false, value: 7 });
});

test('an iterator that reads slowly is told the newest of what passed', async () => {
  const stream = numbers();
  const iterator = stream.iterate();
  const first = iterator.next();
  for (const event of [1, -1, -2, -3]) stream.push(event);
  expect(await first).toEqual({ done: false, value: 1 });
  expect(await iterator.next()).toEqual({ done: false, value: -3 });
});
