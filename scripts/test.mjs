#!/usr/bin/env node
// Every test of the project, lane by lane, with a table of what each took. Stops at nothing: all lanes run, any failure fails the whole.
//
//   node scripts/test.mjs [--long] [LANE ...]

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';

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

const results = [];
for (const lane of chosen) results.push(await runLane(lane));

const total = results.reduce((sum, { seconds }) => sum + seconds, 0);
process.stdout.write('\n');
for (const { name, seconds, ok, why } of results) {
  process.stdout.write(
    `${ok ? 'pass' : 'FAIL'}  ${seconds.toFixed(1).padStart(7)} s  ${name}${ok ? '' : ` (${why})`}\n`,
  );
}
process.stdout.write(`      ${total.toFixed(1).padStart(7)} s  in all\n`);
// Last, because the end is what is seen of a long output.
for (const { name, output } of results.filter(({ ok }) => !ok))
  process.stdout.write(`\nWhat failed in "${name}":\n${whatFailed(output)}\n`);
process.exitCode = results.every(({ ok }) => ok) ? 0 : 1;

async function runLane([name, program, args, cwd]) {
  process.stdout.write(`\n== ${name}\n`);
  const started = performance.now();
  const { output, why } = existsSync(program)
    ? await runProgram(program, args, cwd)
    : { output: say(`${program} is missing: run "npm run setup"\n`), why: 'missing' };
  return { name, output, seconds: (performance.now() - started) / 1000, ok: why === 0, why };
}

/** Shows what the program prints while it runs, and keeps it. */
async function runProgram(program, args, cwd) {
  const colour = process.stdout.isTTY ? { FORCE_COLOR: '1' } : {};
  const child = spawn(program, args, {
    cwd,
    env: { ...process.env, ...colour },
    stdio: ['inherit', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text) => {
      output += say(text);
    });
  const why = await new Promise((resolve) => {
    child.once('error', ({ message }) => resolve(say(message)));
    child.once('close', (status, signal) => resolve(signal ?? status));
  });
  return { output, why };
}

function say(text) {
  process.stdout.write(text);
  return text;
}

/** The lines that name a failure; where none does, the last ones. */
function whatFailed(output) {
  const lines = stripVTControlCharacters(output).trimEnd().split('\n');
  const telling = lines.filter((line) => /^\s*(FAIL|FAILED|ERROR)\b|Error: |\berror TS\d|^ ❯ .*:\d+:\d+$/.test(line));
  return (telling.length > 0 ? telling.slice(0, 40) : lines.slice(-20)).join('\n');
}
