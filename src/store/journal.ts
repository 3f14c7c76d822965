import { WorldError } from '../core/errors.ts';
import type { RunEvent } from '../core/event.ts';
import { type Fields, type Json, shortId } from '../core/json.ts';
import type { Start, Store, StoredRun, TestEvaluation } from '../core/store.ts';
import { now } from '../system/clock.ts';
import { asText, type Queries } from './queries.ts';

/** What the runs of a store are, and what they did. */
export function journal(query: Queries) {
  return {
    runs: () => query.json<StoredRun>(`${storedRuns} ORDER BY at DESC, rowid DESC`),
    run: (id) => query.json<StoredRun>(`${storedRuns} WHERE id = @id`, { id })[0],
    addRun({ id, experiment }) {
      query.insert('INSERT INTO run (id, at, experiment) VALUES (@id, @at, @experiment)', {
        id,
        at: now(),
        experiment: asText(experiment),
      });
    },

    layout: (run, base) =>
      query.json<Fields>('SELECT layout AS json FROM layout WHERE run = @run AND base = @base', { run, base })[0],
    addLayout(run, base, layout) {
      const values = { run, base, at: now(), layout: asText(layout) };
      query.insert('INSERT INTO layout (run, base, at, layout) VALUES (@run, @base, @at, @layout)', values);
    },
    summary: (run) => query.json<Json>('SELECT summary AS json FROM summary WHERE run = @run', { run })[0],
    addSummary(run, summary) {
      const values = { run, at: now(), summary: asText(summary) };
      query.insert('INSERT INTO summary (run, at, summary) VALUES (@run, @at, @summary)', values);
    },

    events: (run) =>
      query.json<RunEvent>('SELECT event AS json FROM event WHERE run = @run ORDER BY position', { run }),
    addEvent(run, index, event) {
      const place = { run, position: index };
      const text = asText(event);
      // A run is held by one process at a time, so an event belongs to the run's latest start.
      const isNew = query.insert(
        `INSERT INTO event (run, position, start, at, event)
         VALUES (@run, @position, (SELECT coalesce(max(number), 0) FROM start WHERE run = @run), @at, @text)`,
        { ...place, at: now(), text },
      );
      if (isNew) return;
      const sql = 'SELECT event AS json FROM event WHERE run = @run AND position = @position';
      const [stored] = query.json<RunEvent>(sql, place);
      if (stored && asText(stored) !== text) throw differentEvent(run, index, stored, event);
    },

    testEvaluations: () => query.json<TestEvaluation>(testEvaluations),
    starts: (run) => query.rows<Start>(startsOfRun, { run }),
    addStart(run) {
      // One statement, so that the number is chosen under the write lock.
      const sql = `INSERT INTO start (run, number, at)
        SELECT @run, coalesce(max(number), 0) + 1, @at FROM start WHERE run = @run RETURNING number`;
      // `!`: an aggregate has one row, so one is inserted.
      return query.rows<{ number: number }>(sql, { run, at: now() })[0]!.number;
    },
    endStart(run, number, endedBy) {
      const values = { run, number, at: now(), endedBy };
      query.insert('INSERT INTO start_end (run, number, at, ended_by) VALUES (@run, @number, @at, @endedBy)', values);
    },
    addNetworkAttempt(run, start, to) {
      const values = { run, start, at: now(), to };
      query.insert('INSERT INTO network_attempt (run, start, at, target) VALUES (@run, @start, @at, @to)', values);
    },
    // `!`: an aggregate has one row.
    networkAttempts: (run) =>
      query.rows<{ count: number }>('SELECT count(*) AS count FROM network_attempt WHERE run = @run', { run })[0]!
        .count,
  } satisfies Partial<Store>;
}

const storedRuns = `
  SELECT json_object('id', id, 'createdAt', strftime('%Y-%m-%dT%H:%M:%fZ', at / 1000.0, 'unixepoch'),
    'experiment', json(experiment)) AS json
  FROM run`;

const testEvaluations = `
  SELECT json_object('run', run, 'candidate', json_extract(event, '$.candidate'),
    'examples', (SELECT json_group_array(json_extract(value, '$.example')) FROM json_each(event, '$.rows'))) AS json
  FROM event WHERE json_extract(event, '$.split') = 'test' ORDER BY rowid`;

// A start that was killed has no end: it lasted at least until the last thing that it stored.
const startsOfRun = `
  SELECT number, ended_by AS endedBy,
    (SELECT count(*) FROM call WHERE call.run = @run AND call.start = number) AS calls,
    max(0, coalesce(
      start_end.at,
      (SELECT max(at) FROM (SELECT at FROM call WHERE call.run = @run AND call.start = number
                 UNION ALL SELECT at FROM event WHERE event.run = @run AND event.start = number)),
      start.at) - start.at) / 1000.0 AS seconds
  FROM start LEFT JOIN start_end USING (run, number) WHERE run = @run ORDER BY number`;

const differentEvent = (run: string, index: number, stored: RunEvent, event: RunEvent): WorldError =>
  new WorldError(
    'history-differs',
    `Run ${shortId(run)} is not what it was: its event ${index} is stored as ${asText(stored).slice(0, 200)} and is now ${asText(event).slice(0, 200)}.`,
    'Something answers differently each time, such as a metric that draws lots or reads the clock: make it a function of its arguments. A new seed makes a new run.',
  );
