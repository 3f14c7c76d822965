import { expect, test } from 'vitest';
import { example } from '../../src/core/example.ts';
import { makeSplits } from '../../src/run/splits.ts';

const ticket = (text: string, team?: string) => example({ ticket: text }, team === undefined ? {} : { team });
const val = Array.from({ length: 8 }, (_, row) => ticket(`Val ${row}`, row % 2 === 0 ? 'billing' : 'delivery'));
const asked = { val, test: [], valRatio: 0, testRatio: 0, seed: 0 };

test('a label that val has and train never shows is refused', () => {
  expect(() => makeSplits({ ...asked, train: [ticket('Paid twice.', 'billing')] })).toThrow(
    'team "delivery" occurs 4 times in val, but never in train.',
  );
});

test('train without a single label is a wish, and it is said what can learn from it', () => {
  const { splits, notices } = makeSplits({ ...asked, train: [ticket('Paid twice.')] });
  expect(splits.train).toEqual([ticket('Paid twice.')]);
  expect(notices.map(({ code }) => code)).toContain('train-unlabelled');
});
