import { expect, test } from 'vitest';
import { type DataSetRow, dataSetOf, summaryOfDataSet, type TrainingRow } from '../../src/core/data-set.ts';
import { chatJsonl } from '../../src/report/chat-rows.ts';
import { dataSetLines, maskText, rejectedText } from '../../src/report/data-set-text.ts';

const row = (label: string | null, known: Partial<TrainingRow> = {}): TrainingRow => ({
  prompt: { system: 'Route it.', turns: [], user: 'Lost.' },
  pieces: ['{"team": "', label ?? '', '"}'],
  given: 1,
  predictor: 'predict',
  example: 'e1',
  from: 'labelled',
  label,
  ...known,
});

/** A set of rows with so many tokens each, the last two of them learned. */
const setOf = (rows: readonly TrainingRow[], lengths: readonly number[]) =>
  dataSetOf(
    'base',
    rows,
    lengths.map((length) => ({ promptIds: Array(length - 2).fill(1), completionIds: [2, 3] })),
    lengths.map((length) => ({ texts: Array(length).fill('x') })),
  );

test('a data set is rows, tokens, lengths, labels and what was left out', () => {
  const rows = [row('billing'), row('delivery', { from: 'bootstrapped' }), row('delivery')];
  expect(
    dataSetLines(summaryOfDataSet(setOf(rows, [1010, 20, 30]), { tooLong: 3, duplicates: 0, notGoodEnough: 7 })),
  ).toEqual([
    'rows: 3 (1 bootstrapped, 2 labelled) with 1,060 tokens, 20 to 1,010 (median 30) in a row; trained are 6, 2 in a row',
    'labels: billing 1, delivery 2; left out: attempts not good enough: 7, rows too long for the context: 3',
  ]);
});

test('rows that are held out are counted apart, and the figures are about the others', () => {
  const rows = [row('billing'), row('delivery'), row('delivery', { heldOut: true })];
  expect(dataSetLines(summaryOfDataSet(setOf(rows, [10, 20, 500]), {}))).toEqual([
    'rows: 2 (0 bootstrapped, 2 labelled), 1 more held out, with 30 tokens, 10 to 20 (median 10) in a row; trained are 4, 2 in a row',
    'labels: billing 1, delivery 1; left out: nothing',
  ]);
});

test('predictors are told apart, and one without labels says so', () => {
  const rows = [row('billing', { predictor: 'route' }), row(null, { predictor: 'reply' })];
  expect(dataSetLines(summaryOfDataSet(setOf(rows, [5, 5]), {}))[1]).toBe(
    'labels: reply (1): none; route (1): billing 1; left out: nothing',
  );
});

test('many labels are counted, not listed', () => {
  const rows = Array.from({ length: 20 }, (_, index) => row(`label ${index % 15}`));
  const summary = summaryOfDataSet(setOf(rows, Array(20).fill(5)), {});
  expect(dataSetLines(summary)[1]).toBe('labels: 15, with 1 to 2 rows each; left out: nothing');
});

test('the mask marks exactly the tokens of the completion, and control characters do nothing', () => {
  const [masked] = dataSetOf(
    'base',
    [row('a')],
    [{ promptIds: [1, 2], completionIds: [3, 4] }],
    [{ texts: ['U\n', '\u001b{', '', 'é'] }],
  ).rows;
  expect(maskText(masked!, (text) => `[${text}]`)).toBe('U\n\\x1b{[][é]');
});

test('a pair counts both answers, shows the rejected one, and is exported as a preference', () => {
  const pair = row('billing', { rejected: ['{"team": "', 'delivery', '"}'] });
  const ids = { promptIds: [1, 2], completionIds: [3, 4], rejectedIds: [5, 6, 7] };
  const dataSet = dataSetOf(
    'base',
    [pair],
    [ids],
    [{ texts: ['', '', '', ''], rejectedTexts: ['de', 'liv\u0007', 'ery'] }],
  );
  expect(dataSetLines(summaryOfDataSet(dataSet, { unpaired: 3 }))).toEqual([
    'rows: 1 pairs (0 bootstrapped, 1 labelled) with 7 tokens, 7 in a row; trained are 5, 5 in a row',
    'labels: billing 1; left out: answers without a failed one beside them: 3',
  ]);
  expect(rejectedText(dataSet.rows[0]!, (text) => `[${text}]`)).toBe('[de][liv\\x07][ery]');
  expect(JSON.parse(chatJsonl(dataSet.rows))).toEqual({
    prompt: [
      { role: 'system', content: 'Route it.' },
      { role: 'user', content: 'Lost.' },
    ],
    chosen: [{ role: 'assistant', content: '{"team": "billing"}' }],
    rejected: [{ role: 'assistant', content: '{"team": "delivery"}' }],
    predictor: 'predict',
    source: { example: 'e1', from: 'labelled' },
  });
});

test('chat JSONL has the conversation, the predictor and the source of each row', () => {
  const [first, second] = setOf(
    [
      row('billing', { prompt: { system: '', turns: [{ user: 'a', assistant: 'b' }], user: 'c' } }),
      row('delivery', { from: 'bootstrapped' }),
    ],
    [5, 5],
    // `as`: two were made.
  ).rows as [DataSetRow, DataSetRow];
  const lines = chatJsonl([first, second]).split('\n');
  expect(lines.slice(0, 2).map((line) => JSON.parse(line))).toEqual([
    {
      messages: [
        { role: 'user', content: 'a' },
        { role: 'assistant', content: 'b' },
        { role: 'user', content: 'c' },
        { role: 'assistant', content: '{"team": "billing"}' },
      ],
      predictor: 'predict',
      source: { example: 'e1', from: 'labelled' },
    },
    {
      messages: [
        { role: 'system', content: 'Route it.' },
        { role: 'user', content: 'Lost.' },
        { role: 'assistant', content: '{"team": "delivery"}' },
      ],
      predictor: 'predict',
      source: { example: 'e1', from: 'bootstrapped' },
    },
  ]);
  expect(lines.slice(2)).toEqual(['']);
});
