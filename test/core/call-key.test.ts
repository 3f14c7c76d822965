import { expect, test } from 'vitest';
import { callKeys } from '../../src/core/call-key.ts';
import type { LmRequest } from '../../src/core/lm.ts';
import { firstAttempt } from '../../src/core/program.ts';
import { scriptedEngine as engine } from '../support/scripted-model.ts';

const request: LmRequest = {
  model: { base: 'base', adapter: null },
  prompt: { system: 'Route it.', turns: [{ user: 'Lost parcel', assistant: 'delivery' }], user: 'Paid twice.' },
  answer: [{ type: 'choice', options: ['billing', 'delivery'] }],
  choice: 'greedy',
  sampling: { ...firstAttempt, temperature: 0.7, maxTokens: 8 },
};

/** What a value becomes when one of its members, however deep, is another one; every member once. */
function changed<T>(value: T): T[] {
  if (value === null) return ['other' as T]; // `as` in this function: the values only have to differ
  if (typeof value === 'number') return [(value + 1) as T];
  if (typeof value === 'string') return [`${value}, other` as T];
  if (Array.isArray(value))
    return [[] as T, ...value.flatMap((item, i) => changed(item).map((one) => value.with(i, one) as T))];
  return Object.entries(value as object).flatMap(([name, item]) =>
    changed(item).map((one) => ({ ...value, [name]: one })),
  );
}

test('equal content has an equal key, whether it is the same object or not', () => {
  const keyOf = callKeys();
  const first = keyOf(request, engine);
  expect(keyOf(request, engine)).toEqual(first);
  expect(keyOf(structuredClone(request), structuredClone(engine))).toEqual(first);
  expect(callKeys()(request, engine)).toEqual(first);
});

test('every part of the request is in the key, also where all other parts are the same objects', () => {
  const keyOf = callKeys();
  const others = changed(request);
  const keys = [request, ...others].map((one) => keyOf(one, engine).key);
  expect(others.length).toBeGreaterThan(12);
  expect(new Set(keys).size).toBe(keys.length);
  expect(others.map((one) => callKeys()(one, engine).key)).toEqual(keys.slice(1));
});

test('every part of the engine is in the key, but for whether it is reproducible', () => {
  const keyOf = callKeys();
  const key = keyOf(request, engine).key;
  expect(keyOf(request, { ...engine, reproducible: 'replay' }).key).toBe(key);
  const others = changed(engine).filter(({ reproducible }) => reproducible === 'bytes');
  const keys = others.map((one) => keyOf(request, one).key);
  expect(new Set([key, ...keys]).size).toBe(others.length + 1);
});

test('a seed is in the key only above temperature 0', () => {
  const keyAt = (temperature: number, seed: number) =>
    callKeys()({ ...request, sampling: { ...request.sampling, temperature, seed } }, engine).key;
  expect(keyAt(0, 1)).toBe(keyAt(0, 2));
  expect(keyAt(0.5, 1)).not.toBe(keyAt(0.5, 2));
});

test("calls that differ in the user's text only share everything else", () => {
  const keyOf = callKeys();
  const other = { ...request, prompt: { ...request.prompt, user: 'Where is it?' } };
  const [one, two] = [keyOf(request, engine), keyOf(other, engine)];
  expect(two.shared).toBe(one.shared);
  expect(two.key).not.toBe(one.key);
  const { user: _, ...prompt } = request.prompt;
  const { reproducible: __, ...layout } = engine;
  expect(JSON.parse(one.shared.text)).toEqual({ ...request, prompt, engine: layout });
});
