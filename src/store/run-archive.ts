import { createHash } from 'node:crypto';
import { existsSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import Database from 'better-sqlite3';
import { InputError } from '../core/errors.ts';
import { canonicalJson, type Json, shortId, textId } from '../core/json.ts';
import { privateFolder, withFile, writePrivately } from '../system/files.ts';
import { copyRun, type RunTable, runTables } from './copy-run.ts';
import { databaseError } from './database-error.ts';
import { openDatabase } from './open-database.ts';
import { latestVersion, versionOf } from './schema.ts';

/** Files that a run's calls were made with, by kind and sha256; what training could go on from is not among them. */
const fileFolders = { adapter: 'adapters', merged: 'merged' } as const;

const archiveTables = `
  CREATE TABLE archived_file (kind TEXT NOT NULL, id TEXT NOT NULL, content BLOB NOT NULL, PRIMARY KEY (kind, id)) STRICT;
  CREATE TABLE seal (thing TEXT PRIMARY KEY, sha256 TEXT NOT NULL) STRICT;
`;

/**
 * Writes a run with everything that belongs to it into one SQLite file: a store of this run alone, with its adapters inside, and a hash of
 * every row, so that whoever opens it can say what was changed. The calls that earlier runs of the store had made are not among them.
 */
export function writeArchive(storePath: string, run: string, path: string): void {
  if (existsSync(path))
    throw new InputError('file-exists', [`${path} is there already, and is left as it is.`], 'Name another file.');
  const unfinished = `${path}.${process.pid}.partial`;
  try {
    const archive = openDatabase(unfinished);
    try {
      archive.prepare('ATTACH ? AS source').run(storePath);
      copyRun(archive, 'source', 'main', run);
      archive.exec('DETACH source');
      archive.exec(archiveTables);
      addFiles(archive, `${resolve(storePath)}.files`);
      const seal = archive.prepare('INSERT INTO seal (thing, sha256) VALUES (?, ?)');
      archive.transaction(() => {
        // All of it first: a connection cannot write while it reads.
        for (const [thing, sha256] of [...contentOf(archive)]) seal.run(thing, sha256);
      })();
      // One file, whole: nothing of it in a log beside it.
      archive.pragma('journal_mode = DELETE');
    } finally {
      archive.close();
    }
    withFile(path, () => renameSync(unfinished, path));
  } catch (error) {
    throw databaseError(error, path);
  } finally {
    for (const end of ['', '-wal', '-shm']) rmSync(`${unfinished}${end}`, { force: true });
  }
}

function addFiles(archive: Database.Database, folder: string): void {
  const insert = archive.prepare('INSERT INTO archived_file (kind, id, content) VALUES (?, ?, ?)');
  for (const { kind, id } of usedFiles(archive)) {
    const path = join(folder, fileFolders[kind], `${id}.gguf`);
    if (existsSync(path))
      insert.run(
        kind,
        id,
        withFile(path, () => readFileSync(path)),
      );
    else
      throw new InputError(
        'archive-file-missing',
        [`The run was made with ${kind} ${id}, and ${path} is not there.`],
        'Put it back; without it nobody could verify the archive.',
      );
  }
}

/** What the run's calls were made with. */
const usedFiles = (archive: Database.Database) =>
  // `as`: of the two columns that the SQL names.
  archive
    .prepare(
      `SELECT DISTINCT CASE WHEN merged IS NULL THEN 'adapter' ELSE 'merged' END AS kind, coalesce(merged, adapter) AS id
       FROM (SELECT request ->> '$.model.adapter' AS adapter, request ->> '$.model.merged' AS merged FROM shared)
       WHERE coalesce(merged, adapter) IS NOT NULL`,
    )
    .all() as { readonly kind: keyof typeof fileFolders; readonly id: string }[];

/** Every thing of an archive by its name, with the hash of its content. */
function* contentOf(archive: Database.Database): Generator<[thing: string, sha256: string]> {
  for (const table of runTables) {
    const rows = archive.prepare(`SELECT * FROM ${table.name} ORDER BY rowid`);
    // `as`: rows of texts and numbers.
    for (const row of rows.iterate() as Iterable<{ [column: string]: Json }>)
      yield [nameOf(table, row), textId(canonicalJson(row))];
  }
  for (const { kind, id, content } of archivedFiles(archive))
    yield [`${kind} ${id}`, createHash('sha256').update(content).digest('hex')];
}

interface ArchivedFile {
  readonly kind: keyof typeof fileFolders;
  readonly id: string;
  readonly content: Buffer;
}

const archivedFiles = (archive: Database.Database) =>
  // `as`: of the columns that the SQL names.
  archive
    .prepare('SELECT kind, id, content FROM archived_file ORDER BY kind, id')
    .iterate() as IterableIterator<ArchivedFile>;

const nameOf = ({ what, key }: RunTable, row: { readonly [column: string]: Json }): string =>
  `${what} ${key.map((column) => String(row[column])).join(' ')}`;

/** Takes the run of an archive into a store, after every thing in it was found as it was written; returns the run's id. Nothing is written otherwise. */
export function readArchive(path: string, storePath: string): string {
  if (!existsSync(path))
    throw new InputError('archive-missing', [`There is no archive at ${path}.`], 'Check the path.');
  const archive = openArchive(path);
  try {
    requireVersion(archive, path);
    const changed = changedThings(archive);
    if (changed.length > 0)
      throw new InputError(
        'archive-changed',
        changed.map((thing) => `${path}: ${thing} is not what was archived.`),
        'Get the archive again from whoever made it; nothing of it was taken in.',
      );
    const { id } = archive.prepare('SELECT id FROM run').get() as { id: string };
    takeIn(archive, id, path, storePath);
    return id;
  } catch (error) {
    throw databaseError(error, path);
  } finally {
    archive.close();
  }
}

function openArchive(path: string): Database.Database {
  const archive = new Database(path, { readonly: true });
  try {
    const isArchive = archive.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'seal'").get() !== undefined;
    const finding = archive.pragma('quick_check(1)', { simple: true });
    if (isArchive && finding === 'ok') return archive;
    const fact = isArchive ? `is damaged: ${finding}` : 'is not an archive of a run';
    throw new InputError(
      'archive-invalid',
      [`${path} ${fact}.`],
      'Name a file that "export RUN --archive" has written.',
    );
  } catch (error) {
    archive.close();
    throw error instanceof InputError
      ? error
      : new InputError(
          'archive-invalid',
          [`${path} is not an archive of a run.`],
          'Name a file that "export RUN --archive" has written.',
          {
            cause: error,
          },
        );
  }
}

function requireVersion(archive: Database.Database, path: string): void {
  const version = versionOf(archive);
  if (version === latestVersion) return;
  throw new InputError(
    'archive-version',
    [`${path} has version ${version}, and this better-together reads ${latestVersion}.`],
    'Open it with the better-together that wrote it, or of the same version.',
  );
}

const shown = 20;

/** Things that were changed, added or taken away since the archive was written. */
function changedThings(archive: Database.Database): string[] {
  const seals = archive.prepare('SELECT thing, sha256 FROM seal').all() as { thing: string; sha256: string }[];
  const expected = new Map(seals.map(({ thing, sha256 }) => [thing, sha256]));
  const changed: string[] = [];
  for (const [thing, sha256] of contentOf(archive)) {
    if (expected.get(thing) !== sha256) changed.push(thing);
    expected.delete(thing);
  }
  return [...changed, ...expected.keys()].slice(0, shown);
}

function takeIn(archive: Database.Database, run: string, path: string, storePath: string): void {
  const store = openDatabase(storePath);
  try {
    if (store.prepare('SELECT 1 FROM run WHERE id = ?').get(run) !== undefined)
      throw new InputError(
        'run-known',
        [`Run ${shortId(run)} is in ${storePath} already.`],
        'Name another store: --store.',
      );
    for (const { kind, id, content } of archivedFiles(archive)) {
      const target = join(`${resolve(storePath)}.files`, fileFolders[kind], `${id}.gguf`);
      privateFolder(dirname(target));
      if (!existsSync(target)) writePrivately(target, content);
    }
    store.prepare('ATTACH ? AS archive').run(path);
    copyRun(store, 'archive', 'main', run);
  } finally {
    store.close();
  }
}
