import fc from 'fast-check';
import { expect, test } from 'vitest';
import { mapInOrder } from '../../src/evaluate/in-order.ts';

test('results are in the order of the items, whatever finishes first', async () => {
  const inOrder = fc.asyncProperty(
    fc.scheduler(),
    fc.array(fc.integer()),
    fc.integer({ min: 1, max: 10 }),
    async (scheduler, items, limit) => {
      const double = scheduler.scheduleFunction(async (item: number) => 2 * item);
      const doubled = await scheduler.waitFor(mapInOrder(items, limit, double));
      expect(doubled).toEqual(items.map((item) => 2 * item));
    },
  );
  await fc.assert(inOrder, { seed: 1, numRuns: 50 });
});

test('work is told the place of its item', async () => {
  expect(await mapInOrder(['a', 'b'], 2, async (item, index) => `${index}${item}`)).toEqual(['0a', '1b']);
});

test('what is under way comes to its end before an error is thrown', async () => {
  const ended: number[] = [];
  const failing = mapInOrder([0, 1, 2, 3], 2, async (item) => {
    if (item === 0) throw new Error('no');
    await new Promise((resolve) => setImmediate(resolve));
    ended.push(item);
  });
  await expect(failing).rejects.toThrow('no');
  expect(ended).toEqual([1]);
});

test('the first of several errors is thrown', async () => {
  const failing = mapInOrder([0, 1], 2, async (item) => {
    if (item === 0) await new Promise((resolve) => setImmediate(resolve));
    throw new Error(`no ${item}`);
  });
  await expect(failing).rejects.toThrow('no 1');
});

test.each([0, -1, Number.NaN])('a limit of %s is refused', async (limit) => {
  await expect(mapInOrder([1], limit, async () => {})).rejects.toThrow(
    `${limit} examples under way at once is not possible.`,
  );
});
