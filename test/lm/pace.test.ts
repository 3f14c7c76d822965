import { expect, test } from 'vitest';
import { createPace } from '../../src/lm/llama/pace.ts';

/** A pace by a clock of ours, and what it announced. */
function timed() {
  let time = 0;
  const announced: number[] = [];
  const pace = createPace(
    (passMs) => announced.push(passMs),
    () => time,
  );
  const pass = (tokens: number, ms: number) => {
    pace.begin(tokens);
    time += ms;
    pace.end();
    time += 1000;
  };
  return { pace, pass, announced };
}

test('the first pass announces nothing, later ones what so many tokens took, without the time between passes', () => {
  const { pass, announced } = timed();
  pass(100, 200);
  pass(512, 1024);
  pass(50, 100);
  expect(announced).toEqual([0, 1024, 100]);
});

test('a pass over few tokens is expected to take as long as one over sixteen', () => {
  const { pass, announced } = timed();
  pass(100, 200);
  pass(1, 32);
  expect(announced).toEqual([0, 32]);
});

test('one pass that took a thousand times as long is forgotten among the others, a slower machine is not', () => {
  const { pass, announced } = timed();
  for (const ms of [200, 200, 200_000, 200]) pass(100, ms);
  expect(announced.at(-1)).toBe(200);
  for (let index = 0; index < 12; index++) pass(100, 900);
  expect(announced.at(-1)).toBe(900);
});

test('of a prompt in several batches each ends the one before it', () => {
  const { pace, pass, announced } = timed();
  pass(512, 512);
  pace.begin(512);
  pace.begin(512);
  pace.end();
  pace.end();
  expect(announced).toEqual([0, 512, 512]);
});
