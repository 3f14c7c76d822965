import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';

import { example, type SplitName } from '../../../src/core/example.ts';
import { seededRng } from '../../../src/core/rng.ts';
import { checkData } from '../../../src/run/data-checks/check-data.ts';
import type { PlacedExample } from '../../../src/run/data-checks/placed-example.ts';

const row = (text: string, split: SplitName, team = 'billing', line = text.length): PlacedExample => ({
  split,
  place: `rows.jsonl:${line}`,
  example: example({ text }, { team }),
});

const kindsOf = (rows: readonly PlacedExample[]) => checkData(rows).findings.map(({ kind }) => kind);

const parcel = 'My parcel was promised for Tuesday, and nobody has seen it yet.';

describe('checkData', () => {
  test.each([
    ['word for word', parcel],
    ['in other case and punctuation', 'MY PARCEL was promised for Tuesday and nobody has seen it yet!'],
    ['with other spaces and quotes', '“My parcel”  was promised for Tuesday – and nobody has seen it yet …'],
  ])('finds a test row that stands in train %s', (_, text) => {
    expect(kindsOf([row(parcel, 'train'), row(text, 'test')])).toEqual(['test-leak']);
  });

  test.each([
    ['a word less', 'My parcel was promised for Tuesday, and nobody has seen it.'],
    ['a typing mistake', 'My parcel was promised for Tuesday, and nobidy has seen it yet.'],
    ['a sentence more', `${parcel} Thank you!`],
  ])('finds a test row that stands in train with %s', (_, text) => {
    expect(kindsOf([row(parcel, 'train'), row(text, 'test')])).toEqual(['near-test-leak']);
  });

  test('names the rows of a finding, and where they are', () => {
    const [first, second] = [row(parcel, 'val', 'billing', 3), row(parcel, 'test', 'billing', 8)];
    expect(checkData([first, second]).findings).toEqual([
      {
        kind: 'test-leak',
        rows: [
          { split: 'val', place: 'rows.jsonl:3', id: first.example.id },
          { split: 'test', place: 'rows.jsonl:8', id: second.example.id },
        ],
        fact: 'rows.jsonl:3 (val), rows.jsonl:8 (test): the same inputs',
      },
    ]);
  });

  test.each([
    ['between train and val', 'val', ['split-overlap']],
    ['within a split', 'train', ['duplicate']],
  ] as const)('finds repetitions %s', (_, split, kinds) => {
    expect(kindsOf([row(parcel, 'train'), row(parcel, split)])).toEqual(kinds);
  });

  test.each([
    ['numbers', 'Order 1234 has not arrived.', 'Order 1235 has not arrived.'],
    ['signs', 'What is 20 + 5?', 'What is 20 - 5?'],
    ['fractions', 'What is twice 5.5 of it?', 'What is twice 55 of it?'],
  ])('takes questions with other %s for other questions', (_, first, second) => {
    expect(kindsOf([row(first, 'train'), row(second, 'test')])).toEqual([]);
  });

  test('takes two questions on one long text for two', () => {
    const context = 'The shop opens at nine and closes at six. '.repeat(20);
    const asked = (question: string, split: SplitName): PlacedExample => ({
      split,
      place: question,
      example: example({ context, question }, { answer: 'x' }),
    });
    expect(kindsOf([asked('When does it open?', 'train'), asked('Who is the owner?', 'test')])).toEqual([]);
  });

  test('finds rows with the same inputs and different labels', () => {
    const found = checkData([row(parcel, 'train', 'billing', 1), row(parcel.toUpperCase(), 'train', 'delivery', 2)]);
    expect(found.findings.map(({ kind, fact }) => [kind, fact])).toEqual([
      [
        'contradiction',
        'rows.jsonl:1 (train), rows.jsonl:2 (train): the same inputs, but team is "billing", "delivery"',
      ],
      ['duplicate', 'rows.jsonl:1 (train), rows.jsonl:2 (train): the same inputs but for case and punctuation'],
    ]);
  });

  test('finds rows with nothing to ask and rows without their label', () => {
    const unlabelled = { ...row('Hello?', 'train'), example: example({ text: 'Hello?' }) };
    expect(kindsOf([row('  ', 'train'), unlabelled])).toEqual(['empty-input', 'label-missing']);
  });

  test('counts labels, and finds one that is ten times as frequent as another', () => {
    const often = Array.from({ length: 20 }, (_, index) => row(`Question number ${index}`, 'train', 'billing'));
    const report = checkData([...often, row('Rare one', 'train', 'privacy'), row('Rare two', 'train', 'privacy')]);
    expect(report.splits.train).toEqual({ rows: 22, labels: { team: { billing: 20, privacy: 2 } } });
    expect(report.findings.map(({ fact }) => fact)).toEqual(['team is "billing" in 20 train rows and "privacy" in 2']);
  });
});

const fromFile = (name: string, input: string): PlacedExample[] =>
  readFileSync(new URL(`../../../data/${name}`, import.meta.url), 'utf8')
    .trim()
    .split('\n')
    .map((line, index) => {
      const { split, [input]: text, ...labels } = JSON.parse(line);
      return { split, place: `${name}:${index + 1}`, example: example({ [input]: text }, labels) };
    });

/** 600 rows, half of them test. */
const generated = (make: (index: number) => string): PlacedExample[] =>
  Array.from({ length: 600 }, (_, index) => row(make(index), index % 2 === 0 ? 'train' : 'test', 'x', index));

const rng = seededRng(0);
const syllables = ['ba', 'ke', 'mo', 'ri', 'tu', 'sha', 'lo', 'ven', 'dra', 'pi'];
const word = () => Array.from({ length: 2 + rng.int(3) }, () => syllables[rng.int(syllables.length)]).join('');
const words = (count: number) => Array.from({ length: count }, word).join(' ');

describe('clean data', () => {
  test.each([
    ['the tickets', fromFile('tickets.jsonl', 'ticket')],
    ['the irises', fromFile('iris.jsonl', 'flower')],
    ['sentences of made-up words', generated(() => words(12))],
    [
      'one template with another word in each',
      generated(() => `Which of our teams answers customers who ask about ${words(3)}?`),
    ],
    ['sums', generated((index) => `What is ${index} + ${600 - index}, and what is ${index} times 7?`)],
  ])('has no leak: %s', (_, rows) => {
    expect(kindsOf(rows).filter((kind) => kind !== 'duplicate')).toEqual([]);
  });

  test('Fisher measured two virginicas alike, and they are found', () => {
    expect(checkData(fromFile('iris.jsonl', 'flower')).findings.map(({ fact }) => fact)).toEqual([
      expect.stringMatching(/^iris.jsonl:\d+ \(train\), iris.jsonl:\d+ \(train\): the same inputs$/),
    ]);
  });
});
