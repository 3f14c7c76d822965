import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { z } from 'zod';
import { type DataFlags, type GivenSplits, inputsOf, readGivenSplits } from '../../src/cli/experiment-data.ts';
import { chainOfThought, predict, program } from '../../src/core/callable.ts';
import { InputError } from '../../src/core/errors.ts';
import { type Example, example } from '../../src/core/example.ts';
import { signature } from '../../src/core/signature.ts';

const folder = mkdtempSync(join(tmpdir(), 'experiment-data-'));
afterAll(() => rmSync(folder, { recursive: true }));

const routing = signature("ticket -> team: 'billing' | 'delivery'");
const route = predict(routing).structure;

const written = (name: string, ...lines: readonly string[]): string => {
  const path = join(folder, name);
  writeFileSync(path, `${lines.join('\n')}\n`);
  return path;
};

const readPlaced = (flags: Partial<DataFlags>, structure = route): GivenSplits =>
  readGivenSplits({ splitColumn: 'split', ...flags }, structure);

const read = (flags: Partial<DataFlags>, structure = route): Omit<GivenSplits, 'places'> => {
  const { places: _, ...splits } = readPlaced(flags, structure);
  return splits;
};

const ticket = (text: string, team: string): Example => example({ ticket: text }, { team });

const refusal = (flags: Partial<DataFlags>, structure = route) => {
  try {
    read(flags, structure);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    const { code, mistakes, hint } = error;
    return { code, mistakes: mistakes.map((mistake) => mistake.replaceAll(`${folder}/`, '')), hint };
  }
  return null;
};

test('without a split column all rows are train rows, and the other splits are left to be taken from them', () => {
  const data = written('plain.csv', 'ticket,team,comment', 'Paid twice.,billing,urgent', 'Lost.,delivery,');
  expect(read({ data })).toEqual({
    train: [ticket('Paid twice.', 'billing'), ticket('Lost.', 'delivery')],
    val: null,
    test: null,
  });
});

test('a split column says where a row belongs, in any spelling', () => {
  const rows = ['train', 'Training', ' TRAIN ', 'val', 'valid', 'Validation', 'dev', 'test', 'Test'];
  const data = written('split.csv', 'ticket,team,split', ...rows.map((split, n) => `${n},billing,${split}`));
  const tickets = (examples: readonly Example[] | null) => examples?.map(({ inputs }) => inputs.ticket);
  const { train, val, test } = read({ data });
  expect([tickets(train), tickets(val), tickets(test)]).toEqual([
    ['0', '1', '2'],
    ['3', '4', '5', '6'],
    ['7', '8'],
  ]);
});

test('the split column may have another name', () => {
  const data = written('part.csv', 'ticket,team,part', 'Paid twice.,billing,train', 'Lost.,delivery,test');
  expect(read({ data, splitColumn: 'part' })).toEqual({
    train: [ticket('Paid twice.', 'billing')],
    val: null,
    test: [ticket('Lost.', 'delivery')],
  });
});

test('a split column without test rows means that there is no test split', () => {
  const data = written('no-test.csv', 'ticket,team,split', 'Paid twice.,billing,train', 'Lost.,delivery,val');
  expect(read({ data })).toMatchObject({ val: [ticket('Lost.', 'delivery')], test: [] });
});

test('a split that nobody knows is refused, every one with its line', () => {
  const lines = ['{"ticket": "a", "team": "billing", "split": "trian"}', '{"ticket": "b", "team": "billing"}'];
  const data = written('typo.jsonl', '{"ticket": "c", "team": "billing", "split": "train"}', ...lines);
  expect(refusal({ data })).toEqual({
    code: 'split-unknown',
    mistakes: ['typo.jsonl:2: split is "trian".', 'typo.jsonl:3: split is null.'],
    hint: 'A split is train, val or test.',
  });
});

test('of very many unknown splits the first twenty are named, and how many there are beside', () => {
  const data = written(
    'typos.csv',
    'ticket,team,split',
    ...Array.from({ length: 25 }, (_, n) => `${n},billing,constructor`),
  );
  const mistakes = refusal({ data })?.mistakes;
  expect(mistakes).toHaveLength(21);
  expect(mistakes?.slice(19)).toEqual(['typos.csv:21: split is "constructor".', '… and 5 more.']);
});

test('a split column without train rows is refused', () => {
  const data = written('no-train.csv', 'ticket,team,split', 'Paid twice.,billing,test');
  expect(refusal({ data })?.mistakes).toEqual(['no-train.csv has no row whose split is "train".']);
});

test('each split may have a file of its own', () => {
  const train = written('train.jsonl', '{"ticket": "Paid twice.", "team": "billing"}');
  const val = written('val.jsonl', '{"ticket": "Lost.", "team": "delivery"}');
  const sealed = written('test.jsonl', '{"ticket": "Broken.", "team": "delivery"}');
  expect(read({ train, val, test: sealed })).toEqual({
    train: [ticket('Paid twice.', 'billing')],
    val: [ticket('Lost.', 'delivery')],
    test: [ticket('Broken.', 'delivery')],
  });
  expect(read({ train })).toMatchObject({ val: null, test: [] });
});

test('a split column in a file of its own is an ordinary column', () => {
  const train = written('train.csv', 'ticket,team,split', 'Paid twice.,billing,whatever');
  expect(read({ train }).train).toEqual([ticket('Paid twice.', 'billing')]);
});

test.each<[string, Partial<DataFlags>, string]>([
  ['no data', {}, 'There is no data.'],
  ['a val file without a train file', { val: 'val.csv' }, 'There is no data.'],
  [
    'one file beside files of splits',
    { data: 'a.csv', test: 'b.csv' },
    '--data stands beside --train, --val or --test.',
  ],
])('%s is refused', (_, flags, mistake) => {
  expect(refusal(flags)).toMatchObject({ code: 'data-flags', mistakes: [mistake] });
});

test('columns that are missing are refused, all of them, with those that are there', () => {
  const data = written('columns.csv', 'text,label', 'Paid twice.,billing');
  expect(refusal({ data })).toEqual({
    code: 'column-missing',
    mistakes: [
      'columns.csv has no column "ticket", which the signature names.',
      'columns.csv has no column "team", which the signature names.',
    ],
    hint: 'Its columns are: text, label. Rename the column or the field.',
  });
});

test('a column for the reasoning is not needed', () => {
  const data = written('thinking.csv', 'ticket,team', 'Paid twice.,billing');
  expect(read({ data }, chainOfThought(routing).structure).train).toEqual([ticket('Paid twice.', 'billing')]);
});

test('a column for an input that may be left out is not needed', () => {
  const asked = signature({ inputs: { ticket: z.string(), age: z.int().optional() }, outputs: { team: z.string() } });
  const data = written('optional.csv', 'ticket,team', 'Paid twice.,billing');
  expect(read({ data }, predict(asked).structure).train).toEqual([ticket('Paid twice.', 'billing')]);
});

test('cells of a CSV file have the types of the signature', () => {
  const typed = signature({
    inputs: { code: z.string(), age: z.int(), tags: z.array(z.string()) },
    outputs: {
      share: z.number(),
      urgent: z.boolean(),
      stars: z.int().min(1).max(5),
      team: z.enum(['billing', '5']),
      note: z.string().nullable(),
    },
  });
  const data = written(
    'types.csv',
    'code,age,tags,share,urgent,stars,team,note',
    '007,30,"[""a"", ""b""]",-0.5,true,4, 5 ,12',
    '1e3,31,[],2,false,5,billing,null',
  );
  expect(read({ data }, predict(typed).structure).train).toEqual([
    example({ code: '007', age: 30, tags: ['a', 'b'] }, { share: -0.5, urgent: true, stars: 4, team: '5', note: '12' }),
    example({ code: '1e3', age: 31, tags: [] }, { share: 2, urgent: false, stars: 5, team: 'billing', note: null }),
  ]);
});

test('values of a JSON file keep their types', () => {
  const typed = predict(signature('ticket -> hours: int')).structure;
  const data = written('types.jsonl', '{"ticket": "12", "hours": 3}');
  expect(read({ data }, typed).train).toEqual([example({ ticket: '12' }, { hours: 3 })]);
});

test('rows that break the signature are refused, every one with file and line', () => {
  const typed = predict(signature("ticket, age: int -> team: 'billing' | 'delivery', urgent: bool")).structure;
  const data = written(
    'broken.csv',
    'ticket,age,team,urgent',
    'Paid twice.,30,billing,true',
    'Lost.,old,sales,maybe',
    '',
    'Broken.,1.5,delivery,false',
  );
  expect(refusal({ data }, typed)).toMatchObject({
    code: 'rows-invalid',
    mistakes: [
      expect.stringMatching(/^broken\.csv:3: "age" is "old": .*expected/),
      expect.stringMatching(/^broken\.csv:3: "team" is "sales": .*expected one of/),
      expect.stringMatching(/^broken\.csv:3: "urgent" is "maybe": .*expected boolean/),
      expect.stringMatching(/^broken\.csv:5: "age" is 1\.5: .*expected int/),
    ],
  });
});

test('an input that is missing in one row is named with its line', () => {
  const data = written('gap.jsonl', '{"ticket": "Lost.", "team": "delivery"}', '{"team": "billing"}');
  expect(refusal({ data })?.mistakes).toEqual(['gap.jsonl:2: "ticket" is missing']);
});

test('a label that is missing in one row is no mistake', () => {
  const data = written('unlabelled.jsonl', '{"ticket": "Lost.", "team": "delivery"}', '{"ticket": "Broken."}');
  expect(read({ data }).train).toEqual([ticket('Lost.', 'delivery'), example({ ticket: 'Broken.' })]);
});

test('rows of a program with several predictors are refused: they need examples', () => {
  const several = program({ predictors: { a: routing, b: routing }, run: async () => ({}) }).structure;
  const data = written('several.csv', 'ticket,team', 'Paid twice.,billing');
  expect(refusal({ data }, several)?.mistakes).toEqual([
    'several.csv:2: a program with several predictors takes examples made with example(inputs, labels).',
  ]);
});

test('rows to predict on give their inputs, typed as the signature says, whatever stands beside them', () => {
  const aged = predict(signature("ticket, age: int -> team: 'billing' | 'delivery'")).structure;
  const rows = [{ fields: { ticket: 'Lost.', age: '30', team: 'sales', comment: 'x' }, line: 2 }];
  expect(inputsOf(rows, aged, () => '')).toEqual([{ ticket: 'Lost.', age: 30 }]);
});

test('rows to predict on that lack an input are refused, every one with its place', () => {
  const rows = [
    { fields: { tickt: 'Lost.' }, line: 1 },
    { fields: { ticket: 'Paid twice.' }, line: 2 },
    { fields: { ticket: 7 }, line: 3 },
  ];
  const asked = () => inputsOf(rows, route, ({ line }) => `new.jsonl:${line}`);
  expect(asked).toThrow('new.jsonl:1: "ticket" is missing\nnew.jsonl:3: "ticket" is 7: ');
  expect(asked).toThrow(InputError);
});

test('says in which file and line each example stands', () => {
  const train = written('placed.jsonl', '', '{"ticket": "Paid twice.", "team": "billing"}');
  const val = written('placed-val.jsonl', '{"ticket": "Lost.", "team": "delivery"}');
  const splits = readPlaced({ train, val });
  const places = [...splits.train, ...(splits.val ?? [])].map((row) => splits.places.get(row));
  expect(places).toEqual([`${train}:2`, `${val}:1`]);
});
