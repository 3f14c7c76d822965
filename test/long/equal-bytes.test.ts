import { expect, test } from 'vitest';
import { localModel } from '../../src/lm/llama/local-model.ts';
import { answersInOrder, mixedRequests } from '../support/mixed-requests.ts';
import { defaultModel } from '../support/models.ts';

const requests = mixedRequests(1000);

/** What a host that was just started says to all of them; it is closed again, so that one model at a time has the machine. */
async function answersOfFreshHost(sequences: number, order: string): Promise<string[]> {
  await using lm = await localModel({
    gguf: defaultModel,
    device: 'cpu',
    threads: 1,
    sequences,
    contextTokens: 512,
  });
  expect((await lm.engine()).reproducible).toBe('bytes');
  return answersInOrder(lm, requests, order);
}

const differing = (a: readonly string[], b: readonly string[]) =>
  a.flatMap((text, index) => (text === b[index] ? [] : [{ index, a: text, b: b[index] }]));

test('1,000 mixed calls give equal bytes in two fresh hosts, in another order, and with 1 sequence instead of 8', async () => {
  const first = await answersOfFreshHost(8, 'first order');
  const second = await answersOfFreshHost(8, 'second order');
  const alone = await answersOfFreshHost(1, 'third order');
  expect(differing(first, second)).toEqual([]);
  expect(differing(first, alone)).toEqual([]);
  // That many of them say something of their own, so that the comparison means something.
  const answered = first.filter((text) => text.includes('"failure":null'));
  console.log(`${first.length} calls, ${answered.length} answered, ${new Set(answered).size} different answers`);
  expect(answered.length).toBeGreaterThan(500);
  expect(new Set(answered).size).toBeGreaterThan(250);
});
