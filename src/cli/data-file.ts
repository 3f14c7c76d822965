import { readFileSync, statSync } from 'node:fs';
import { extname } from 'node:path';
import { parse as parseCsv } from 'csv-parse/sync';
import { InputError } from '../core/errors.ts';
import type { Fields, Json } from '../core/json.ts';

/** A row of a data file and the line it begins on. */
export interface DataRow {
  readonly line: number;
  readonly fields: Fields;
}

/** Reads JSONL, JSON (an array of objects) or CSV (with a header), all mistakes at once with their lines. */
export function readDataFile(path: string): DataRow[] {
  const text = readText(path);
  const rows = readers[extname(path).toLowerCase()]?.(text, path);
  if (!rows)
    throw new InputError(
      'data-format',
      [`${path} is of no known kind.`],
      'Name a file that ends in .jsonl, .json or .csv.',
    );
  if (rows.length === 0)
    throw new InputError(
      'data-empty',
      [`${path} has no rows.`],
      'Every line (or CSV line below the header) is one example.',
    );
  return rows;
}

function readText(path: string): string {
  try {
    if (statSync(path).isDirectory())
      throw new InputError('data-unreadable', [`${path} is a folder.`], 'Name a data file: .jsonl, .json or .csv.');
    return new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(path)).replace(/^\uFEFF/, '');
  } catch (error) {
    if (error instanceof InputError) throw error;
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT')
      throw new InputError('data-unreadable', [`There is no file ${path}.`], 'Check the path.', { cause: error });
    const isText = error instanceof TypeError;
    const fact = isText
      ? 'is not UTF-8 text'
      : `cannot be read (${error instanceof Error && 'code' in error ? error.code : error})`;
    throw new InputError(
      'data-unreadable',
      [`${path} ${fact}.`],
      isText ? 'Save it as UTF-8.' : 'Check the path and its permissions.',
      { cause: error },
    );
  }
}

const readers: { readonly [extension: string]: (text: string, path: string) => DataRow[] } = {
  '.jsonl': readJsonLines,
  '.ndjson': readJsonLines,
  '.json': readJson,
  '.csv': readCsv,
};

function readJsonLines(text: string, path: string): DataRow[] {
  const rows: DataRow[] = [];
  const mistakes: string[] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '') continue;
    try {
      const value: unknown = JSON.parse(line);
      if (isFields(value)) rows.push({ line: index + 1, fields: value });
      else mistakes.push(`${path}:${index + 1}: not an object: ${line.slice(0, 60)}`);
    } catch (error) {
      mistakes.push(`${path}:${index + 1}: ${error instanceof Error ? error.message : error}`);
    }
  }
  refuse(mistakes, 'Every line is one JSON object, such as {"ticket": "...", "team": "billing"}.');
  return rows;
}

function readJson(text: string, path: string): DataRow[] {
  const hint = 'The file is one array of objects: [{"ticket": "...", "team": "billing"}, ...].';
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new InputError('data-malformed', [`${path}: ${error instanceof Error ? error.message : error}`], hint);
  }
  if (!Array.isArray(value)) throw new InputError('data-malformed', [`${path} holds no array.`], hint);
  refuse(
    value.flatMap((item, index) => (isFields(item) ? [] : [`${path}: item ${index + 1} is not an object.`])),
    hint,
  );
  // A JSON array has no lines that matter: the item's number stands for one.
  return value.map((fields: Fields, index) => ({ line: index + 1, fields }));
}

/** What csv-parse makes of a row under the options below; `lines` is the line on which it ends. */
interface CsvRow {
  readonly record: Fields;
  readonly raw: string;
  readonly info: { readonly lines: number; readonly columns: readonly { readonly name: string }[] };
}

function readCsv(text: string, path: string): DataRow[] {
  const mistakes: string[] = [];
  // One kind of line end: the same data is the same rows, and csv-parse counts a "\r\n" within quotes twice.
  const rows = parseCsv(text.replaceAll('\r\n', '\n'), {
    columns: true,
    skip_empty_lines: true,
    info: true,
    raw: true,
    skip_records_with_error: true,
    on_skip: (error) => void mistakes.push(`${path}:${error?.lines}: ${error?.message}`),
    // `as`: what these options make csv-parse return.
  }) as unknown as CsvRow[];
  const names = (rows[0]?.info.columns ?? []).map(({ name }) => name);
  const repeated = names.filter((name, index) => name !== '' && names.indexOf(name) < index);
  refuse(
    [...repeated.map((name) => `${path}:1: the column "${name}" stands twice.`), ...mistakes],
    'The first line names the columns; fields with commas or line breaks stand in double quotes.',
  );
  return rows.map(({ record, raw, info }) => ({ line: info.lines - lineBreaksWithin(raw), fields: record }));
}

/** Line breaks inside of a row; its raw text has the empty lines before it, and its own end, too. */
const lineBreaksWithin = (raw: string): number => raw.replace(/^\n+|\n+$/g, '').split('\n').length - 1;

const isFields = (value: unknown): value is { readonly [name: string]: Json } =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function refuse(mistakes: readonly string[], hint: string): void {
  if (mistakes.length > 0) throw new InputError('data-malformed', shortened(mistakes), hint);
}

/** The first twenty mistakes, and how many there are beside. */
export function shortened(mistakes: readonly string[]): readonly string[] {
  const shown = mistakes.slice(0, 20);
  return shown.length < mistakes.length ? [...shown, `… and ${mistakes.length - shown.length} more.`] : shown;
}
