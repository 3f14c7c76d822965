import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { liveView } from '../../src/cli/live.ts';
import type { DataSetSummary } from '../../src/core/data-set.ts';

const summary: DataSetSummary = {
  rows: 3,
  from: { bootstrapped: 1, labelled: 2 },
  tokens: 60,
  supervisedTokens: 6,
  lengths: { least: 20, median: 20, most: 20 },
  supervisedPerRow: { least: 2, median: 2, most: 2 },
  predictors: { predict: { rows: 3, labels: { odd: 3 } } },
  dropped: { tooLong: 1 },
};

test('what is trained on is shown in two lines, where there is no terminal too', () => {
  const stream = new PassThrough();
  // `as`: of a stream that is no terminal, only `write` is used.
  liveView({ stream: stream as unknown as NodeJS.WriteStream, expectedCalls: 0 }).show({
    type: 'rows-made',
    step: 2,
    rows: 'id',
    summary,
  });
  expect(String(stream.read())).toBe(
    '  rows: 3 (1 bootstrapped, 2 labelled) with 60 tokens, 20 in a row; trained are 6, 2 in a row\n' +
      '  labels: odd 3; left out: rows too long for the context: 1\n',
  );
});
