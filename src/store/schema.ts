import type { Database } from 'better-sqlite3';

/** "bttr": says in a file's header that it is one of ours (`PRAGMA application_id`). */
export const applicationId = 0x62747472;

/** All times are milliseconds since 1970. Small columns come before large texts, so that sums do not read the texts' pages. */
const tables = `
  CREATE TABLE run (id TEXT PRIMARY KEY, at INTEGER NOT NULL, experiment TEXT NOT NULL) STRICT;
  CREATE TABLE layout (
    run TEXT NOT NULL, base TEXT NOT NULL, at INTEGER NOT NULL, layout TEXT NOT NULL, PRIMARY KEY (run, base)
  ) STRICT;
  CREATE TABLE summary (run TEXT PRIMARY KEY, at INTEGER NOT NULL, summary TEXT NOT NULL) STRICT;

  CREATE TABLE start (run TEXT NOT NULL, number INTEGER NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (run, number)) STRICT;
  CREATE TABLE start_end (
    run TEXT NOT NULL, number INTEGER NOT NULL, at INTEGER NOT NULL, ended_by TEXT NOT NULL,
    PRIMARY KEY (run, number)
  ) STRICT;

  CREATE TABLE network_attempt (run TEXT NOT NULL, start INTEGER NOT NULL, at INTEGER NOT NULL, target TEXT NOT NULL) STRICT;
  CREATE INDEX network_attempt_run ON network_attempt (run);

  CREATE TABLE event (
    run TEXT NOT NULL, position INTEGER NOT NULL, start INTEGER NOT NULL, at INTEGER NOT NULL, event TEXT NOT NULL,
    PRIMARY KEY (run, position)
  ) STRICT;

  -- What calls have in common, once: all of their requests and engines but the user's text.
  CREATE TABLE shared (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, request TEXT NOT NULL) STRICT;
  CREATE TABLE call (
    key TEXT PRIMARY KEY, run TEXT NOT NULL, start INTEGER NOT NULL, at INTEGER NOT NULL,
    prompt_tokens INTEGER NOT NULL, cached_prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL,
    forks INTEGER NOT NULL, overruled INTEGER NOT NULL,
    shared INTEGER NOT NULL, user TEXT NOT NULL, response TEXT NOT NULL
  ) STRICT;
  CREATE INDEX call_totals ON call (run, start, at, prompt_tokens, cached_prompt_tokens, completion_tokens, forks, overruled);

  CREATE TABLE training (key TEXT PRIMARY KEY, at INTEGER NOT NULL, spec TEXT NOT NULL, training TEXT NOT NULL) STRICT;
`;

const insertOnly = (names: readonly string[]): string => names.flatMap(refusals).join('');

const refusals = (table: string): string[] =>
  ['UPDATE', 'DELETE'].map(
    (change) => `
      CREATE TRIGGER ${table}_no_${change.toLowerCase()} BEFORE ${change} ON ${table}
      BEGIN SELECT RAISE(ABORT, 'a store is insert-only: nothing in ${table} is changed or removed'); END;`,
  );

const firstTables = [
  'run',
  'layout',
  'summary',
  'start',
  'start_end',
  'network_attempt',
  'event',
  'shared',
  'call',
  'training',
];

const embeddings = `
  -- Numbers of 4 bytes, little-endian.
  CREATE TABLE embedding (key TEXT PRIMARY KEY, at INTEGER NOT NULL, vector BLOB NOT NULL) STRICT;
`;

const dataSets = `
  CREATE TABLE data_set (id TEXT PRIMARY KEY, at INTEGER NOT NULL, data_set TEXT NOT NULL) STRICT;
`;

const merges = `
  CREATE TABLE merge (key TEXT PRIMARY KEY, at INTEGER NOT NULL, spec TEXT NOT NULL, merge TEXT NOT NULL) STRICT;
`;

const examples = `
  CREATE TABLE example (id TEXT PRIMARY KEY, at INTEGER NOT NULL, example TEXT NOT NULL) STRICT;
`;

const splits = `
  -- The ids of a run's examples, in order.
  CREATE TABLE split (
    run TEXT NOT NULL, name TEXT NOT NULL, at INTEGER NOT NULL, examples TEXT NOT NULL, PRIMARY KEY (run, name)
  ) STRICT;
`;

/** Stores of version 1 were written before the first release; they are refused, not read. */
export const oldestVersion = 2;

/** The first makes a store of the oldest version, each other one takes it one version further. What was released is never edited. */
const migrations: readonly string[] = [
  tables + insertOnly(firstTables),
  embeddings + insertOnly(['embedding']),
  dataSets + insertOnly(['data_set']),
  merges + insertOnly(['merge']),
  examples + insertOnly(['example']),
  splits + insertOnly(['split']),
];

export const latestVersion = oldestVersion + migrations.length - 1;

export const versionOf = (database: Database): number => Number(database.pragma('user_version', { simple: true }));

/** Brings a store up to `latestVersion`; of several processes that try at once, one does it. */
export function migrate(database: Database): void {
  // IMMEDIATE, and also when there is nothing to do: the version is read under the write lock, and a file that cannot be written says so.
  const upgrade = database.transaction(() => {
    for (let version = Math.max(versionOf(database) + 1, oldestVersion); version <= latestVersion; version++) {
      database.exec(migrations[version - oldestVersion] ?? '');
      database.pragma(`user_version = ${version}`);
      database.pragma(`application_id = ${applicationId}`);
    }
  });
  upgrade.immediate();
}
