import { expect, test } from 'vitest';
import { example } from '../../src/core/example.ts';
import { leakGuard } from '../../src/optimize/leak-guard.ts';

const rows = [
  example({ ticket: 'My parcel has been lying at the depot since Monday.' }, { team: 'delivery' }),
  example({ ticket: 'Where is it?', notes: ['the second invoice of this month is wrong'] }, { team: 'billing' }),
];
const guard = leakGuard(rows, ['Say which team should answer the ticket of the customer.']);

test('names the words that an instruction took from a row, whatever their case and punctuation', () => {
  expect(guard('For example: "my parcel has been lying, at the DEPOT" goes to delivery.')).toBe(
    'my parcel has been lying at',
  );
});

test('looks into lists, and knows a short value as a whole', () => {
  expect(guard('If the second invoice of this month is wrong, say billing.')).toBe('the second invoice of this month');
  expect(guard('Asked "where is it", say delivery.')).toBe('where is it');
});

test('lets labels, single words and five words in a row pass', () => {
  expect(guard('Say delivery when a parcel has been lying at another depot.')).toBeNull();
});

test('lets pass what the program itself says', () => {
  const allowing = leakGuard(
    [example({ text: 'Say which team should answer' }, { team: 'billing' })],
    ['Say which team should answer the ticket.'],
  );
  expect(allowing('Say which team should answer, and be quick.')).toBeNull();
});
