import { expect, test } from 'vitest';
import type { LmAnswer, LmResponse } from '../../src/core/lm.ts';
import { isSameAnswer, responseDifference } from '../../src/run/response-difference.ts';
import { answered as answeredWith } from '../support/responses.ts';

const usage = { prompt: 10, cachedPrompt: 4, completion: 3 };
const answered = (change: Partial<LmAnswer> = {}) =>
  answeredWith(['{"', 'billing', '"}'], { completionIds: [5, 9, 2], usage, ...change });
const tooLong: LmResponse = { failure: { kind: 'length', message: 'no end' }, usage };

test('equal responses do not differ, in whatever order their names stand', () => {
  const turned = Object.fromEntries(Object.entries(answered()).reverse()) as unknown as LmResponse;
  expect(responseDifference(answered(), turned)).toBeNull();
});

test.each<[string, LmResponse, unknown]>([
  [
    'the first other token and the first other piece',
    answered({ pieces: ['{"', 'delivery', '"}'], completionIds: [5, 8, 7, 2] }),
    {
      field: 'completionIds',
      token: { index: 1, stored: 9, now: 8 },
      piece: { index: 1, stored: 'billing', now: 'delivery' },
    },
  ],
  [
    'the place where one of them had ended',
    answered({ completionIds: [5, 9] }),
    { field: 'completionIds', token: { index: 2, stored: 2, now: null }, piece: null },
  ],
  [
    'other texts of equal tokens',
    answered({ pieces: ['{"', 'Billing', '"}'] }),
    { field: 'pieces', token: null, piece: { index: 1, stored: 'billing', now: 'Billing' } },
  ],
  [
    'a failure where an answer was',
    tooLong,
    {
      field: 'failure',
      token: { index: 0, stored: 5, now: null },
      piece: { index: 0, stored: '{"', now: null },
    },
  ],
  [
    'a count of tokens',
    answered({ usage: { ...usage, cachedPrompt: 0 } }),
    { field: 'usage.cachedPrompt', token: null, piece: null },
  ],
])('names %s', (_, now, expected) => {
  expect(responseDifference(answered(), now)).toEqual(expected);
});

test('answers are the same when their texts are, whatever their tokens; failures when their kinds are', () => {
  const other: LmResponse = { failure: { kind: 'length', message: 'another end' }, usage };
  expect(isSameAnswer(answered(), answered({ completionIds: [1], usage: { ...usage, prompt: 11 } }))).toBe(true);
  expect(isSameAnswer(answered(), answered({ pieces: ['no'] }))).toBe(false);
  expect([isSameAnswer(tooLong, other), isSameAnswer(tooLong, answered())]).toEqual([true, false]);
});
