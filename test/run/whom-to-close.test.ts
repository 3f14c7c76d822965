import fc from 'fast-check';
import { expect, test } from 'vitest';
import { whomToClose } from '../../src/run/whom-to-close.ts';

const open = [
  { name: 'teacher', bytes: 4, lastUse: 2 },
  { name: 'student', bytes: 1, lastUse: 3 },
  { name: 'prompt model', bytes: 3, lastUse: 1 },
];
const closed = (bytes: number, freeBytes: number) => whomToClose({ bytes, freeBytes }, open).map(({ name }) => name);

test('nobody is closed for what fits', () => expect(closed(2, 2)).toEqual([]));

test('who was used longest ago is closed first, and no more than needed', () => {
  expect(closed(5, 2)).toEqual(['prompt model']);
  expect(closed(6, 2)).toEqual(['prompt model', 'teacher']);
});

test('all are closed for what does not even fit alone', () =>
  expect(closed(100, 2)).toEqual(['prompt model', 'teacher', 'student']));

test('who is closed makes enough room, and without the last of them it would not be', () => {
  const holder = fc.record({ bytes: fc.integer({ min: 1, max: 20 }), lastUse: fc.nat(9) });
  fc.assert(
    fc.property(fc.array(holder, { maxLength: 6 }), fc.nat(60), fc.nat(30), (holders, bytes, freeBytes) => {
      const gone = whomToClose({ bytes, freeBytes }, holders);
      const room = (closing: typeof holders) => closing.reduce((sum, one) => sum + one.bytes, freeBytes);
      expect(gone.length === holders.length || room(gone) >= bytes).toBe(true);
      if (gone.length > 0) expect(room(gone.slice(0, -1))).toBeLessThan(bytes);
      const kept = holders.filter((one) => !gone.includes(one));
      for (const one of gone) for (const other of kept) expect(one.lastUse).toBeLessThanOrEqual(other.lastUse);
    }),
    { seed: 1 },
  );
});
