import fc from 'fast-check';
import { expect, test } from 'vitest';
import { promptDiff } from '../../src/report/prompt-diff.ts';

test('lines that changed are compared by words, others stand as they are', () => {
  expect(promptDiff('Route the ticket.\nBe brief.\n', 'Route every ticket.\nBe brief.\nThink.\n')).toEqual([
    { kind: 'same', text: 'Route ' },
    { kind: 'removed', text: 'the' },
    { kind: 'added', text: 'every' },
    { kind: 'same', text: ' ticket.\n' },
    { kind: 'same', text: 'Be brief.\n' },
    { kind: 'added', text: 'Think.\n' },
  ]);
});

test('without what was added it is the text before, without what was removed the text after', () => {
  const lines = fc.array(fc.constantFrom('a', 'b c', 'b d', ''), { maxLength: 6 }).map((some) => some.join('\n'));
  fc.assert(
    fc.property(lines, lines, (before, after) => {
      const parts = promptDiff(before, after);
      const without = (kind: string) => parts.flatMap((part) => (part.kind === kind ? [] : [part.text])).join('');
      expect([without('added'), without('removed')]).toEqual([before, after]);
    }),
  );
});
