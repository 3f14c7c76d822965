import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createTokenMeter } from '../../src/run/token-meter.ts';

const used = (tokens: number) => ({ prompt: tokens, cachedPrompt: 0, completion: 0 });

describe('a group', () => {
  const request = fc
    .tuple(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 50 }))
    .map(([bound, part]) => ({ bound, tokens: Math.min(bound, part) }));

  test('fits or does not, in whatever order its requests come and are answered', async () => {
    const groups = fc.array(fc.array(request, { minLength: 1, maxLength: 6 }), { maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(groups, fc.integer({ min: 1, max: 600 }), async (given, limit) => {
        const outcomes = async (shuffled: boolean) => {
          const meter = createTokenMeter(limit);
          const fits: boolean[] = [];
          for (const group of given) {
            await meter.group('rows', async () => {
              const inOrder = shuffled ? group.toReversed() : group;
              // In order, each is answered before the next is asked; else all are asked first.
              const admitted = inOrder.map(({ bound, tokens }) => {
                const one = meter.admit(bound, 'host');
                if (!shuffled) one?.settle(used(tokens));
                return { one, tokens };
              });
              if (shuffled) for (const { one, tokens } of admitted.toReversed()) one?.settle(used(tokens));
              fits.push(admitted.every(({ one }) => one !== null));
            });
            // What comes after a refusal is refused as well: see budget.ts.
            if (!fits.at(-1)) break;
          }
          return fits;
        };
        expect(await outcomes(true)).toEqual(await outcomes(false));
      }),
    );
  });

  test('gives back what its requests left of their bounds when it ends, not before', async () => {
    const meter = createTokenMeter(100);
    await meter.group('rows', async () => {
      meter.admit(60, 'host')!.settle(used(10));
      expect(meter.admit(60, 'host')).toBeNull();
    });
    expect(meter.left()).toBe(90);
  });

  test('has the meter for itself', async () => {
    const meter = createTokenMeter(100);
    const order: string[] = [];
    const work = (name: string) => async () => {
      order.push(`${name} begins`);
      await new Promise(setImmediate);
      order.push(`${name} ends`);
    };
    await Promise.all([meter.group('rows', work('a')), meter.group('question', work('b'))]);
    expect(order).toEqual(['a begins', 'a ends', 'b begins', 'b ends']);
  });

  test('holds the bound of a request that nobody waited for until its answer is there', async () => {
    const meter = createTokenMeter(100);
    let settle = () => 0;
    await meter.group('rows', async () => {
      const late = meter.admit(60, 'host')!;
      settle = () => late.settle(used(5));
    });
    expect(meter.left()).toBe(40);
    settle();
    await meter.group('rows', async () => {});
    expect(meter.left()).toBe(95);
  });
});

test('a host that counts more than the bound is charged what it counts, and has higher bounds from then on', async () => {
  const meter = createTokenMeter(1000);
  await meter.group('rows', async () => meter.admit(50, 'host')!.settle(used(80)));
  expect([meter.left(), meter.excess()]).toEqual([920, 30]);
  await meter.group('rows', async () => {
    expect(meter.admit(891, 'host')).toBeNull();
    expect(meter.admit(890, 'host')).not.toBeNull();
  });
});

test('a host that counts nothing is charged the bound', async () => {
  const meter = createTokenMeter(100);
  await meter.group('rows', async () => expect(meter.admit(70, 'host')!.settle(used(0))).toBe(70));
  expect(meter.left()).toBe(30);
});

test('as many requests are left as the rest pays for when all are as large as the largest so far', () => {
  const meter = createTokenMeter(1000);
  meter.see(100, 'host').settle(used(30));
  meter.see(90, 'host').settle(used(40));
  // The last one has to fit with its whole bound: 22 * 40 + 100 <= 1000.
  expect(meter.requestsLeft(1)).toBe(23);
  // A last row of two: 20 * 40 + 2 * 100 <= 1000.
  expect(meter.requestsLeft(2)).toBe(22);
});
