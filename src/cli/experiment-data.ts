import { InputError } from '../core/errors.ts';
import type { Example, Splits } from '../core/example.ts';
import type { Field, JsonSchema } from '../core/field.ts';
import type { Fields, Json } from '../core/json.ts';
import type { Structure } from '../core/program.ts';
import type { Signature } from '../core/signature.ts';
import { readExamples } from '../run/splits.ts';
import { type DataRow, readDataFile, shortened } from './data-file.ts';

export interface DataFlags {
  /** One file, with or without a split column. */
  readonly data?: string;
  readonly train?: string;
  readonly val?: string;
  readonly test?: string;
  readonly splitColumn: string;
}

/** Splits as the files give them; null where a split is left to be taken from the train rows. */
export interface GivenSplits {
  readonly train: readonly Example[];
  readonly val: readonly Example[] | null;
  readonly test: readonly Example[] | null;
  /** File and line of each example. */
  readonly places: ReadonlyMap<Example, string>;
}

/** Where examples were read from. */
type Places = Map<Example, string>;

const splitNames: ReadonlyMap<string, keyof Splits> = new Map([
  ['train', 'train'],
  ['training', 'train'],
  ['val', 'val'],
  ['valid', 'val'],
  ['validation', 'val'],
  ['dev', 'val'],
  ['test', 'test'],
]);

/** The examples of a program from files: one file with a split column, or a file for each split. */
export function readGivenSplits(flags: DataFlags, structure: Structure): GivenSplits {
  const places: Places = new Map();
  if (flags.data !== undefined) {
    if (flags.train ?? flags.val ?? flags.test)
      throw new InputError(
        'data-flags',
        ['--data stands beside --train, --val or --test.'],
        'Give one file with --data, or a file for each split.',
      );
    return splitByColumn(flags.data, flags.splitColumn, structure, places);
  }
  if (flags.train === undefined)
    throw new InputError(
      'data-flags',
      ['There is no data.'],
      'Give --data FILE, or --train FILE with --val FILE and --test FILE.',
    );
  const read = (path: string) => examplesOf(path, readDataFile(path), structure, places);
  return {
    train: read(flags.train),
    val: flags.val === undefined ? null : read(flags.val),
    test: flags.test === undefined ? [] : read(flags.test),
    places,
  };
}

function splitByColumn(path: string, column: string, structure: Structure, places: Places): GivenSplits {
  const rows = readDataFile(path);
  const examples = examplesOf(path, rows, structure, places);
  if (rows.every(({ fields }) => fields[column] === undefined))
    return { train: examples, val: null, test: null, places };
  const mistakes: string[] = [];
  const splits = { train: [] as Example[], val: [] as Example[], test: [] as Example[] };
  for (const [index, { fields, line }] of rows.entries()) {
    const name = splitNames.get(String(fields[column]).trim().toLowerCase());
    if (name) splits[name].push(examples[index]!);
    else mistakes.push(`${path}:${line}: ${column} is ${JSON.stringify(fields[column] ?? null)}.`);
  }
  if (mistakes.length > 0) throw new InputError('split-unknown', shortened(mistakes), 'A split is train, val or test.');
  if (splits.train.length === 0)
    throw new InputError(
      'train-empty',
      [`${path} has no row whose ${column} is "train".`],
      'Optimizers learn from the train rows.',
    );
  return { ...splits, val: splits.val.length === 0 ? null : splits.val, places };
}

/** Rows as examples; the mistakes name file and line. */
function examplesOf(path: string, rows: readonly DataRow[], structure: Structure, places: Places): Example[] {
  const [signature, ...others] = Object.values(structure.predictors);
  if (signature && others.length === 0) refuseMissingColumns(path, rows, signature);
  const fields = signature ? [...signature.inputFields, ...signature.outputFields] : [];
  const typed = rows.map(({ fields: row }) => typedRow(row, fields));
  const place = (index: number) => `${path}:${rows[index]!.line}`;
  const examples = readExamples(structure, typed, place);
  for (const [index, example] of examples.entries()) places.set(example, place(index));
  return examples;
}

/** Rows as inputs of a program; what stands beside them does not matter. The mistakes name their place. */
export function inputsOf(
  rows: readonly DataRow[],
  structure: Structure,
  place: (row: DataRow) => string,
): readonly Fields[] {
  const [signature, ...others] = Object.values(structure.predictors);
  if (!signature || others.length > 0) return rows.map(({ fields }) => fields);
  const { inputFields } = signature;
  const given = rows.map(({ fields }) => {
    const typed = typedRow(fields, inputFields);
    return Object.fromEntries(
      inputFields.flatMap(({ name }): [string, Json][] => (typed[name] === undefined ? [] : [[name, typed[name]]])),
    );
  });
  return readExamples(structure, given, (index) => place(rows[index]!)).map(({ inputs }) => inputs);
}

function refuseMissingColumns(path: string, rows: readonly DataRow[], signature: Signature): void {
  const columns = new Set(rows.flatMap((row) => Object.keys(row.fields)));
  const { inputs, inputFields, outputFields } = signature;
  const needed = [
    ...inputFields.filter(({ name }) => !inputs.pick({ [name]: true }).safeParse({}).success),
    ...outputFields.filter(({ name }) => name !== 'reasoning'),
  ];
  const missing = needed.filter(({ name }) => !columns.has(name));
  if (missing.length === 0) return;
  throw new InputError(
    'column-missing',
    missing.map(({ name }) => `${path} has no column "${name}", which the signature names.`),
    `Its columns are: ${[...columns].join(', ')}. Rename the column or the field.`,
  );
}

/** CSV knows only text: what the signature calls a number, a boolean or JSON is read as such where it can be. */
function typedRow(row: Fields, fields: readonly Field[]): Fields {
  const kinds = new Map(fields.map(({ name, kind }) => [name, kind]));
  const entries = Object.entries(row).map(([name, value]): [string, Json | undefined] => {
    const kind = kinds.get(name);
    if (typeof value !== 'string' || !kind || kind.type === 'string') return [name, value];
    if (kind.type === 'choice') {
      const found = kind.values.find((option) => String(option) === value.trim());
      // null may be one of them.
      return [name, found === undefined ? value : found];
    }
    if (kind.type === 'json' && isTextOrNull(kind.schema)) return [name, value.trim() === 'null' ? null : value];
    try {
      // `as`: JSON.parse returns JSON.
      return [name, JSON.parse(value) as Json];
    } catch {
      return [name, value];
    }
  });
  return Object.fromEntries(entries.filter((entry): entry is [string, Json] => entry[1] !== undefined));
}

const isTextOrNull = ({ type, anyOf }: JsonSchema): boolean =>
  // `as`: zod writes schemas there.
  [type ?? [], ...((anyOf ?? []) as readonly JsonSchema[]).map((item) => item.type ?? [])].flat().includes('string');
