import { expect, test } from 'vitest';
import { StepError } from '../../src/core/errors.ts';
import type { BaseModel, Probe } from '../../src/core/lm.ts';
import type { RescoredRow } from '../../src/core/trainer.ts';
import { requireRowParity, rescoreRows } from '../../src/run/rows-gate.ts';

const adapter = { sha256: 'a1', path: '/adapter.gguf' };

/** A runtime that gives token t after position p the log-probability -(p + t / 10). */
const weights = {
  logProbabilities: async (probes: readonly Probe[]) =>
    probes.flatMap(({ positions }) =>
      positions.map((position) => Float32Array.from({ length: 8 }, (_, token) => -(position + token / 10))),
    ),
};

const trained: RescoredRow = { row: 4, promptIds: [1, 2, 3], completionIds: [5, 6], logProbabilities: [-2.5, -3.6] };
const rescored = (row: RescoredRow, served = trained) => rescoreRows([row], async () => [served], weights, adapter);

test('tokens that runtime and trainer find equally probable are zero nats apart', async () => {
  expect(await rescored(trained)).toMatchObject({ rows: 1, tokens: 2 });
  expect((await rescored(trained)).worstDifference).toBeCloseTo(0, 6);
});

test('the difference is the mean over the tokens of all rows, whichever of the two is surer', async () => {
  const parity = await rescored({ ...trained, logProbabilities: [-2.6, -3.3] });
  expect(parity.meanDifference).toBeCloseTo(0.2, 4);
  expect(parity.worstDifference).toBeCloseTo(0.3, 4);
});

test('rows are rendered again by their places among those that were trained on', async () => {
  const asked: (readonly number[])[] = [];
  await rescoreRows(
    [trained, { ...trained, row: 9 }],
    async (places) => {
      asked.push(places);
      return [trained, trained];
    },
    weights,
    adapter,
  );
  expect(asked).toEqual([[4, 9]]);
});

test('of a long completion the first 16 tokens are compared', async () => {
  const long = { ...trained, completionIds: Array(40).fill(5), logProbabilities: Array(40).fill(-1) };
  expect((await rescored(long, long)).tokens).toBe(16);
});

test.each([
  [
    'another token',
    { promptIds: [1, 7, 3] },
    'row 5 has 5 tokens in training and 5 when served, and they differ from token 1 on',
  ],
  [
    'fewer tokens',
    { promptIds: [1, 2] },
    'row 5 has 5 tokens in training and 4 when served, and they differ from token 2 on',
  ],
  ['more tokens at the end', { completionIds: [5, 6, 7] }, 'and they differ from token 5 on'],
  [
    'another border between prompt and answer',
    { promptIds: [1, 2, 3, 5], completionIds: [6] },
    'and its answer begins at token 3 in training and at 4 when served',
  ],
])('%s when the row is served is another template', async (_, served, fact) => {
  const refusal = rescored(trained, { ...trained, ...served });
  await expect(refusal).rejects.toBeInstanceOf(StepError);
  await expect(refusal).rejects.toMatchObject({
    code: 'gate-rows',
    message: expect.stringContaining(fact),
    hint: expect.stringContaining('another chat template'),
  });
});

test('a trainer that says nothing of its rows is refused', async () => {
  await expect(rescoreRows([], async () => [], weights, adapter)).rejects.toMatchObject({ code: 'gate-rows' });
});

test.each([
  ['F16', 0.049, true],
  ['F16', 0.051, false],
  ['Q4_K_M', 0.19, true],
  ['Q4_K_M', 0.21, false],
  ['F16', Number.NaN, false],
])('on a %s file a mean difference of %d is right: %s', (fileType, meanDifference, isRight) => {
  // `as`: of a base only the type of its file matters here.
  const base = { fileType } as BaseModel;
  const check = () => requireRowParity({ rows: 6, tokens: 20, meanDifference, worstDifference: 1 }, base);
  if (isRight) expect(check()).toBeUndefined();
  else expect(check).toThrow('The rows gate refused');
});
