import { expect, test } from 'vitest';
import type { Verification } from '../../src/core/verification.ts';
import { verificationText } from '../../src/report/verification-text.ts';
import { answered } from '../support/responses.ts';

const verification: Verification = {
  run: '0123456789abcdef',
  status: 'agrees',
  calls: { stored: 200, sampled: 50, skipped: { crash: 0, timeout: 0 } },
  bytes: { compared: 50, equal: 50 },
  answers: { compared: 0, equal: 0 },
  ofOtherEngines: 0,
  engines: [],
  altered: [],
  first: null,
};
const usage = { prompt: 9, cachedPrompt: 3, completion: 2 };

test('what agrees is two lines', () => {
  expect(verificationText(verification)).toBe(
    'Run 0123456789ab: 50 of its 200 calls were asked again.\nAll 50 answers are equal, byte for byte.',
  );
});

test('what differs comes first, with the call and the place', () => {
  const text = verificationText({
    ...verification,
    status: 'differs',
    bytes: { compared: 50, equal: 49 },
    first: {
      call: 'feed',
      position: 17,
      predictor: 'answer',
      candidate: null,
      prompt: 'My "parcel"',
      difference: {
        field: 'failure',
        token: { index: 1, stored: 5, now: null },
        piece: { index: 0, stored: 'gone', now: null },
      },
      stored: answered(['gone'], { completionIds: [4, 5], usage }),
      now: { failure: { kind: 'length', message: 'no end' }, usage },
    },
  });
  expect(text.split('\n')).toEqual([
    'Call 17 of 200 of run 0123456789ab has another answer now: feed',
    '  predictor: answer, candidate: unknown',
    '  prompt:    "My \\"parcel\\""',
    '  stored:    "gone"',
    '  now:       length: no end',
    '  first differ in failure, at token 1: 5 stored, nothing now, in piece 0: "gone" stored, nothing now',
    '',
    'Run 0123456789ab: 50 of its 200 calls were asked again.',
    '49 of 50 answers are equal, byte for byte.',
  ]);
});

test('what cannot be compared by bytes says why, and how often the answers agree', () => {
  // `as`: the text shows the words for the difference, not the engines.
  const engines = [{ differences: ['build: "a" then, "b" now'] }] as unknown as Verification['engines'];
  const text = verificationText({
    ...verification,
    status: 'not-comparable',
    calls: { stored: 200, sampled: 50, skipped: { crash: 1, timeout: 1 } },
    bytes: { compared: 0, equal: 0 },
    answers: { compared: 48, equal: 36 },
    ofOtherEngines: 40,
    engines,
  });
  expect(text.split('\n')).toEqual([
    'Run 0123456789ab: 48 of its 200 calls were asked again.',
    'Left out: 1 that crashed and 1 that hung when they were first asked.',
    '40 were made by another engine than this one, so their bytes are not compared.',
    '  build: "a" then, "b" now',
    '8 were made by an engine that does not repeat its bytes (reproducible: "replay").',
    'Of these 48, 36 say the same (75.0 %).',
  ]);
});
