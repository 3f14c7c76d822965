#!/usr/bin/env node
// Every test of the project, lane by lane, with a table of what each took. Stops at nothing: all lanes run, any failure fails the whole.
//
//   node scripts/test.mjs [--long] [LANE ...]

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const bin = (name) => join(root, 'node_modules', '.bin', name);
const python = join(root, 'python-trainer', '.venv', 'bin', 'python');
const trainer = join(root, 'python-trainer');

/** Name, program, arguments and folder of each lane. */
const lanes = [
  ['format and lint', bin('biome'), ['ci', '--error-on-warnings', '.'], root],
  ['types', bin('tsc'), ['--noEmit'], root],
  ['dead code', bin('knip'), [], root],
  ['package', bin('publint'), ['--strict'], root],
  ['unit, contract, types, architecture', bin('vitest'), ['run', '--project', 'unit'], root],
  ['Python format and lint', python, ['-m', 'ruff', 'check', '.'], trainer],
  ['Python tests', python, ['-m', 'pytest', '-q'], trainer],
  ['end to end, real model', bin('vitest'), ['run', '--project', 'end-to-end'], root],
];

const longLanes = [['long proofs, real model', bin('vitest'), ['run', '--project', 'long'], root]];

const [first, ...rest] = process.argv.slice(2);
const isLong = first === '--long';
const wanted = isLong ? rest : process.argv.slice(2);
const chosen = (isLong ? longLanes : lanes).filter(
  ([name]) => wanted.length === 0 || wanted.some((part) => name.includes(part)),
);

const results = chosen.map(([name, program, args, cwd]) => {
  process.stdout.write(`\n== ${name}\n`);
  const started = performance.now();
  const { status, signal, error } = existsSync(program)
    ? spawnSync(program, args, { cwd, stdio: 'inherit' })
    : { status: null, error: new Error(`${program} is missing: run "npm run setup"`) };
  if (error) process.stdout.write(`${error.message}\n`);
  return { name, seconds: (performance.now() - started) / 1000, ok: status === 0, why: signal ?? status };
});

const total = results.reduce((sum, { seconds }) => sum + seconds, 0);
process.stdout.write('\n');
for (const { name, seconds, ok, why } of results) {
  process.stdout.write(
    `${ok ? 'pass' : 'FAIL'}  ${seconds.toFixed(1).padStart(7)} s  ${name}${ok ? '' : ` (${why})`}\n`,
  );
}
process.stdout.write(`      ${total.toFixed(1).padStart(7)} s  in all\n`);
process.exitCode = results.every(({ ok }) => ok) ? 0 : 1;
