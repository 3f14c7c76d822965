import type { Database } from 'better-sqlite3';

/** A table of which a run has rows: what one of them is called, by which columns, and which rows are the run's. */
export interface RunTable {
  readonly name: string;
  readonly what: string;
  readonly key: readonly string[];
  /** SQL over the table, with `@run`; in `FROM` stands the name of the database that is read. */
  readonly rows: string;
}

const ofRun = 'run = @run';
const inEvents = (column: string, type: string, name: string) =>
  `${column} IN (SELECT event ->> '$.${name}' FROM FROM.event WHERE run = @run AND event ->> '$.type' = '${type}')`;

export const runTables: readonly RunTable[] = [
  { name: 'run', what: 'experiment of run', key: ['id'], rows: 'id = @run' },
  { name: 'layout', what: 'layout of model', key: ['base'], rows: ofRun },
  { name: 'summary', what: 'summary of run', key: ['run'], rows: ofRun },
  { name: 'start', what: 'start', key: ['number'], rows: ofRun },
  { name: 'start_end', what: 'end of start', key: ['number'], rows: ofRun },
  { name: 'network_attempt', what: 'network attempt', key: ['start', 'at', 'target'], rows: ofRun },
  { name: 'event', what: 'event', key: ['position'], rows: ofRun },
  { name: 'split', what: 'split', key: ['name'], rows: ofRun },
  {
    name: 'example',
    what: 'example',
    key: ['id'],
    rows: 'id IN (SELECT value FROM FROM.split, json_each(split.examples) WHERE run = @run)',
  },
  { name: 'data_set', what: 'data set', key: ['id'], rows: inEvents('id', 'rows-made', 'rows') },
  { name: 'training', what: 'training', key: ['key'], rows: inEvents('key', 'trained', 'training') },
  {
    name: 'shared',
    what: 'shared request',
    key: ['id'],
    rows: 'number IN (SELECT shared FROM FROM.call WHERE run = @run)',
  },
  { name: 'call', what: 'call', key: ['key'], rows: ofRun },
];

/** Copies all rows of a run from one attached database to another, in their order; what is there already stays. */
export function copyRun(database: Database, from: string, to: string, run: string): void {
  const copy = database.transaction(() => {
    for (const table of runTables) database.prepare(copySql(database, table, from, to)).run({ run });
  });
  copy.immediate();
}

function copySql(database: Database, { name, rows }: RunTable, from: string, to: string): string {
  const columns = columnsOf(database, to, name);
  const where = rows.replaceAll('FROM.', `${from}.`);
  if (name === 'call') return copyCalls(columns, from, to);
  // Numbers of shared requests are each database's own.
  const copied = columns.filter((column) => !(name === 'shared' && column === 'number')).join(', ');
  return `INSERT INTO ${to}.${name} (${copied})
    SELECT ${copied} FROM ${from}.${name} WHERE ${where} ORDER BY rowid ON CONFLICT DO NOTHING`;
}

function copyCalls(columns: readonly string[], from: string, to: string): string {
  const read = columns.map((column) => (column === 'shared' ? 'own.number' : `call.${column}`));
  return `INSERT INTO ${to}.call (${columns.join(', ')})
    SELECT ${read.join(', ')} FROM ${from}.call AS call
      JOIN ${from}.shared AS theirs ON theirs.number = call.shared JOIN ${to}.shared AS own ON own.id = theirs.id
    WHERE call.run = @run ORDER BY call.rowid ON CONFLICT DO NOTHING`;
}

const columnsOf = (database: Database, schema: string, table: string): string[] =>
  // `as`: what the pragma returns.
  (database.pragma(`${schema}.table_info(${table})`) as { readonly name: string }[]).map(({ name }) => name);
