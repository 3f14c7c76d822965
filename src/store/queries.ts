import type { Database, Statement } from 'better-sqlite3';
import { canonicalJson, type Json } from '../core/json.ts';
import { corruptStore, databaseError } from './database-error.ts';

type Values = Readonly<Record<string, string | number | Buffer>>;

/** SQL with named values. Whatever goes wrong comes out in our words. */
export interface Queries {
  rows<Row>(sql: string, values?: Values): Row[];
  /** The values in the column `json` of the rows. */
  json<Value>(sql: string, values?: Values): Value[];
  /** Durable when it returns. False when there is such a row already: what was first stays. */
  insert(sql: string, values: Values): boolean;
  /** All of the writes, or none. */
  together(writes: () => void): void;
}

export function queriesOn(database: Database, name: string): Queries {
  const transaction = database.transaction((writes: () => void) => writes());
  const selects = compiler(database, '');
  const inserts = compiler(database, ' ON CONFLICT DO NOTHING');
  const inOurWords = <Result>(action: () => Result): Result => {
    try {
      return action();
    } catch (error) {
      throw databaseError(error, name);
    }
  };

  // `as`: a row has the columns that the SQL names, and STRICT tables hold them to their types.
  const rows = <Row>(sql: string, values: Values = {}) => inOurWords(() => selects(sql).all(values) as Row[]);

  return {
    rows,
    json: <Value>(sql: string, values?: Values) =>
      rows<{ json: string }>(sql, values).map(({ json }) => fromText<Value>(json, name)),
    insert: (sql, values) => inOurWords(() => inserts(sql).run(values).changes > 0),
    // IMMEDIATE: the wait for another process's write is before the first of ours.
    together: (writes) => inOurWords(() => transaction.immediate(writes)),
  };
}

/** Statements by their SQL, each compiled once, with the same text after all of them. */
function compiler(database: Database, after: string): (sql: string) => Statement<[Values], unknown> {
  const compiled = new Map<string, Statement<[Values], unknown>>();
  return (sql) => {
    const statement = compiled.get(sql) ?? database.prepare<[Values]>(sql + after);
    compiled.set(sql, statement);
    return statement;
  };
}

// `as`: everything a store takes is JSON all through; interfaces only lack the index signature that would say so.
export const asText = (value: Json | object): string => canonicalJson(value as Json);

/** The other way: a column holds what `asText` made of a value of the same type. */
function fromText<Value>(text: string, name: string): Value {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw corruptStore(name, 'a text in it is not JSON', { cause: error });
  }
}
