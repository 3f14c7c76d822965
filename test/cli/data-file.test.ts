import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { readDataFile } from '../../src/cli/data-file.ts';
import { InputError } from '../../src/core/errors.ts';

const folder = mkdtempSync(join(tmpdir(), 'data-file-'));
afterAll(() => rmSync(folder, { recursive: true }));

const written = (name: string, content: string | Uint8Array): string => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};

/** What is wrong with a file, without the folder it lies in. */
const refusal = (name: string, content: string | Uint8Array) => {
  try {
    readDataFile(written(name, content));
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return { code: error.code, mistakes: error.mistakes.map((mistake) => mistake.replace(`${folder}/`, '')) };
  }
  return null;
};

const twoRows = [
  { line: 1, fields: { ticket: 'Paid twice.', team: 'billing' } },
  { line: 2, fields: { ticket: 'Lost.', team: 'delivery' } },
];

describe('JSONL', () => {
  const text = '{"ticket": "Paid twice.", "team": "billing"}\n{"ticket": "Lost.", "team": "delivery"}\n';

  test.each([
    ['as it is', 'jsonl', text],
    ['under its other name', 'ndjson', text],
    ['with a byte order mark', 'jsonl', `\uFEFF${text}`],
    ['with line ends of Windows', 'jsonl', text.replaceAll('\n', '\r\n')],
    ['without a last line end', 'jsonl', text.trimEnd()],
  ])('is read %s', (_, extension, content) => {
    expect(readDataFile(written(`rows.${extension}`, content))).toEqual(twoRows);
  });

  test('keeps the types of its values', () => {
    const path = written('types.JSONL', '{"a": 1, "b": [true, null], "c": {"d": "1"}}');
    expect(readDataFile(path)).toEqual([{ line: 1, fields: { a: 1, b: [true, null], c: { d: '1' } } }]);
  });

  test('has empty lines that count as lines, not as rows', () => {
    expect(readDataFile(written('gaps.jsonl', '\n{"a": 1}\n \n{"a": 2}\n')).map(({ line }) => line)).toEqual([2, 4]);
  });

  test('with mistakes is refused, all of them with their lines', () => {
    const found = refusal('bad.jsonl', '{"a": 1}\n[1]\n"x"\n{"a": }\nnull\n{"a": 2}\n{"a": 3');
    expect(found?.code).toBe('data-malformed');
    expect(found?.mistakes).toEqual([
      'bad.jsonl:2: not an object: [1]',
      'bad.jsonl:3: not an object: "x"',
      expect.stringMatching(/^bad\.jsonl:4: .*JSON/),
      'bad.jsonl:5: not an object: null',
      expect.stringMatching(/^bad\.jsonl:7: .*JSON/),
    ]);
  });

  test('with very many mistakes names the first twenty, and how many there are beside', () => {
    const mistakes = refusal('many.jsonl', '[]\n'.repeat(25))?.mistakes;
    expect(mistakes).toHaveLength(21);
    expect(mistakes?.slice(19)).toEqual(['many.jsonl:20: not an object: []', '… and 5 more.']);
  });
});

describe('JSON', () => {
  test('is an array of objects, counted as lines', () => {
    const path = written(
      'rows.json',
      JSON.stringify(
        twoRows.map(({ fields }) => fields),
        null,
        2,
      ),
    );
    expect(readDataFile(path)).toEqual(twoRows);
  });

  test('may begin with a byte order mark', () => {
    expect(readDataFile(written('bom.json', '\uFEFF[{"a": 1}]'))).toEqual([{ line: 1, fields: { a: 1 } }]);
  });

  test('that is no array is refused', () => {
    expect(refusal('object.json', '{"a": 1}')).toEqual({
      code: 'data-malformed',
      mistakes: ['object.json holds no array.'],
    });
  });

  test('with items that are no objects is refused, all of them by number', () => {
    expect(refusal('items.json', '[{"a": 1}, 2, [3]]')).toEqual({
      code: 'data-malformed',
      mistakes: ['items.json: item 2 is not an object.', 'items.json: item 3 is not an object.'],
    });
  });

  test('that is broken is refused', () => {
    expect(refusal('broken.json', '[{"a": 1}')?.mistakes).toEqual([expect.stringMatching(/^broken\.json: .*JSON/)]);
  });
});

describe('CSV', () => {
  const csvRows = twoRows.map(({ line, fields }) => ({ line: line + 1, fields }));
  const text = 'ticket,team\nPaid twice.,billing\nLost.,delivery\n';

  test.each([
    ['as it is', text],
    ['with a byte order mark', `\uFEFF${text}`],
    ['with line ends of Windows', text.replaceAll('\n', '\r\n')],
    ['without a last line end', text.trimEnd()],
    ['with quotes', '"ticket","team"\n"Paid twice.","billing"\n"Lost.","delivery"\n'],
  ])('is read %s', (_, content) => {
    expect(readDataFile(written('rows.csv', content))).toEqual(csvRows);
  });

  test('knows only text', () => {
    expect(readDataFile(written('types.csv', 'a,b,c\n1,true,\n'))).toEqual([
      { line: 2, fields: { a: '1', b: 'true', c: '' } },
    ]);
  });

  test('may have commas, quotes and line breaks within quotes', () => {
    expect(readDataFile(written('quoted.csv', 'a,b\n"x, ""y""","1\n2"\n'))).toEqual([
      { line: 2, fields: { a: 'x, "y"', b: '1\n2' } },
    ]);
  });

  test.each([
    ['Unix', '\n'],
    ['Windows', '\r\n'],
  ])('names the line on which a row begins, with line ends of %s', (_, end) => {
    const content = ['a,b', '1,2', '', '"x', '', 'y",3', '4,5'].join(end);
    expect(readDataFile(written('lines.csv', content))).toEqual([
      { line: 2, fields: { a: '1', b: '2' } },
      { line: 4, fields: { a: 'x\n\ny', b: '3' } },
      { line: 7, fields: { a: '4', b: '5' } },
    ]);
  });

  test('with mistakes is refused, all of them with their lines', () => {
    expect(refusal('bad.csv', 'a,b\n1\n2,3\n4,5,6\n7,8\n')).toEqual({
      code: 'data-malformed',
      mistakes: [
        'bad.csv:2: Invalid Record Length: columns length is 2, got 1 on line 2',
        'bad.csv:4: Invalid Record Length: columns length is 2, got 3 on line 4',
      ],
    });
  });

  test('with a quote that stays open is refused', () => {
    expect(refusal('open.csv', 'a,b\n1,"2\n3,4\n')?.mistakes).toEqual([
      expect.stringMatching(/^open\.csv:\d: Quote Not Closed/),
    ]);
  });

  test('in which two columns have one name is refused', () => {
    expect(refusal('twice.csv', 'a,b,a\n1,2,3\n')).toEqual({
      code: 'data-malformed',
      mistakes: ['twice.csv:1: the column "a" stands twice.'],
    });
  });

  test('with a header and no row has no rows', () => {
    expect(refusal('header.csv', 'a,b\n')).toEqual({ code: 'data-empty', mistakes: ['header.csv has no rows.'] });
  });

  test('is read as it was written', () => {
    const cell = fc.string({ unit: fc.constantFrom(...'ab,"\n \'é;') });
    const quoted = (value: string) => `"${value.replaceAll('"', '""')}"`;
    fc.assert(
      fc.property(fc.array(fc.tuple(cell, cell), { minLength: 1, maxLength: 4 }), (rows) => {
        const content = ['a,b', ...rows.map((cells) => cells.map(quoted).join(','))].join('\n');
        const read = readDataFile(written('law.csv', content)).map(({ fields }) => [fields.a, fields.b]);
        expect(read).toEqual(rows);
      }),
      { seed: 1, numRuns: 50 },
    );
  });
});

describe('a file that cannot be read as data', () => {
  test.each(['empty.jsonl', 'empty.csv'])('because it is empty, %s, is refused', (name) => {
    expect(refusal(name, '')).toEqual({ code: 'data-empty', mistakes: [`${name} has no rows.`] });
  });

  test('because its array is empty is refused', () => {
    expect(refusal('none.json', '[]')).toEqual({ code: 'data-empty', mistakes: ['none.json has no rows.'] });
  });

  test('because it is not UTF-8 is refused', () => {
    expect(refusal('latin1.csv', Buffer.from('a\ncafé\n', 'latin1'))).toEqual({
      code: 'data-unreadable',
      mistakes: ['latin1.csv is not UTF-8 text.'],
    });
  });

  test('because nobody knows its kind is refused', () => {
    expect(refusal('rows.xlsx', 'a')).toEqual({ code: 'data-format', mistakes: ['rows.xlsx is of no known kind.'] });
  });

  test('because it is a folder is refused', () => {
    const path = join(folder, 'folder.csv');
    mkdirSync(path);
    expect(() => readDataFile(path)).toThrow(
      new InputError('data-unreadable', [`${path} is a folder.`], 'Name a data file: .jsonl, .json or .csv.'),
    );
  });

  test('because it is not there is refused', () => {
    const path = join(folder, 'missing.csv');
    expect(() => readDataFile(path)).toThrow(`There is no file ${path}.`);
  });
});
