#!/usr/bin/env node
// Every measurement of the project, by name.
//
//   node scripts/bench/bench.mjs NAME [PART ...] [--json]
//
// A bench is one file that exports `bench(say, parts)`: it runs the parts named, or all, and returns its figures, numbers by key, and the
// table that a person reads. With --json exactly one JSON document goes to stdout, and the table to stderr.

import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { compiledSources } from '../setup/compiled-sources.mjs';
import { stopSignal } from '../setup/program.mjs';
import { environment } from './environment.mjs';

const benches = {
  choice: () => import('./choice.mjs'),
  'data-checks': () => import('./data-checks.mjs'),
  evaluate: () => import('./evaluate.mjs'),
  host: () => import('./host.mjs'),
  peers: () => import('./peers.mjs'),
  laboratory: () => import('./laboratory.mjs'),
  neighbours: () => import('./neighbours.mjs'),
  replay: () => import('./replay.mjs'),
  start: () => import('./start.mjs'),
  statistics: () => import('./statistics.mjs'),
  switch: () => import('./switch.mjs'),
  'two-models': () => import('./two-models.mjs'),
};

const usage = `Usage: npm run bench -- ${Object.keys(benches).join('|')} [PART ...] [--json]`;
const say = (line) => process.stderr.write(`${line}\n`);

// Set-up waits for its programs when it is told to stop; a bench has nothing to keep.
stopSignal.addEventListener('abort', () => process.exit(130));
const { name, parts, asJson } = readArguments();
if (name === undefined) {
  say(usage);
  process.exitCode = 2;
} else {
  if (!compiledSources.isReady()) await compiledSources.make();
  const before = environment();
  const { bench } = await benches[name]();
  const { figures, head, rows, environment: more = {} } = await bench(say, parts);
  const table = new Table({ head, style: { head: [], border: [], compact: true } });
  table.push(...rows);
  if (asJson)
    process.stdout.write(`${JSON.stringify({ name, figures, environment: { ...before, ...more } }, null, 2)}\n`);
  (asJson ? process.stderr : process.stdout).write(`${table}\nload average before: ${before.loadAverage.join(', ')}\n`);
}

function readArguments() {
  try {
    const { values, positionals } = parseArgs({ options: { json: { type: 'boolean' } }, allowPositionals: true });
    const [name, ...parts] = positionals;
    const isKnown = name !== undefined && Object.hasOwn(benches, name);
    return { name: isKnown ? name : undefined, parts, asJson: values.json === true };
  } catch {
    return {};
  }
}
