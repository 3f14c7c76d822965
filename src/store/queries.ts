import type { Database, Statement } from 'better-sqlite3';
import { canonicalJson, type Json } from '../core/json.ts';
import { corruptStore, databaseError } from './database-error.ts';

type Values = Readonly<Record<string, string | number>>;

/** SQL with named values. Whatever goes wrong comes out in our words. */
export interface Queries {
  rows<Row>(sql: string, values?: Values): Row[];
  /** The values in the column `json` of the rows. */
  json<Value>(sql: string, values?: Values): Value[];
  /** Durable when it returns. False when there is such a row already: what was first stays. */
  insert(sql: string, values: Values): boolean;
}

export function queriesOn(database: Database, name: string): Queries {
  const compiled = new Map<string, Statement<[Values], unknown>>();

  function use<Result>(sql: string, action: (statement: Statement<[Values], unknown>) => Result): Result {
    try {
      const statement = compiled.get(sql) ?? database.prepare<[Values]>(sql);
      compiled.set(sql, statement);
      return action(statement);
    } catch (error) {
      throw databaseError(error, name);
    }
  }

  // `as`: a row has the columns that the SQL names, and STRICT tables hold them to their types.
  const rows = <Row>(sql: string, values: Values = {}) => use(sql, (statement) => statement.all(values) as Row[]);

  return {
    rows,
    json: <Value>(sql: string, values?: Values) =>
      rows<{ json: string }>(sql, values).map(({ json }) => fromText<Value>(json, name)),
    insert: (sql, values) => use(`${sql} ON CONFLICT DO NOTHING`, (statement) => statement.run(values).changes > 0),
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
