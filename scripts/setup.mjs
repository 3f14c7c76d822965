#!/usr/bin/env node
// From a fresh clone to a checkout that works: npm packages, compiled sources, then what dist/cli/setup.js makes (the Python
// environment, the default model). What is there is skipped. Plain Node, because it runs before there are any packages. All it says
// goes to stderr: stdout belongs to the program that follows.
//
//   node scripts/setup.mjs [--then demo|test|test:long [ARGUMENTS]]

import { pathToFileURL } from 'node:url';
import { inCheckout, readText } from './setup/checkout.mjs';
import { compiledSources } from './setup/compiled-sources.mjs';
import { withLock } from './setup/lock.mjs';
import { npmPackages } from './setup/npm-packages.mjs';
import { run, SetupError, stopSignal, throwIfStopped } from './setup/program.mjs';

const programs = {
  demo: ['dist/cli/main.js', 'demo'],
  test: ['scripts/test.mjs'],
  'test:long': ['scripts/test.mjs', '--long'],
};

const say = (line) => process.stderr.write(`${line}\n`);

try {
  checkNode();
  const program = programFor(process.argv.slice(2));
  await setUp();
  process.exitCode = program ? await run(process.execPath, program, { stdio: 'inherit' }) : 0;
} catch (error) {
  // A system call that failed says what and where by itself; anything else without a hint is our mistake.
  if (!(error instanceof SetupError || error.syscall)) throw error;
  say([error.message, error.hint].filter(Boolean).join('\n'));
  process.exitCode = error.exitCode ?? 1;
}

function checkNode() {
  const { node: wanted } = JSON.parse(readText(inCheckout('package.json'))).engines;
  if (wanted.split('||').some(nodeFits)) return;
  throw new SetupError(
    2,
    `This is Node.js ${process.versions.node}; better-together needs ${wanted}.`,
    'Install a current long-term version of Node.js, then run the same command again.',
  );
}

/** Whether this Node is in a range such as `^20.19` or `>=24`. */
function nodeFits(range) {
  const [, sign, lowestMajor, lowestMinor = 0] = /(\^|>=)(\d+)(?:\.(\d+))?/.exec(range);
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major === Number(lowestMajor)) return minor >= Number(lowestMinor);
  return sign === '>=' && major > Number(lowestMajor);
}

function programFor([flag, name, ...args]) {
  if (flag === undefined) return null;
  if (flag === '--then' && Object.keys(programs).includes(name)) {
    const [script, ...first] = programs[name];
    return [inCheckout(script), ...first, ...args];
  }
  throw new SetupError(
    2,
    `Set-up does not know "${[flag, name].join(' ').trim()}".`,
    `Usage: node scripts/setup.mjs [--then ${Object.keys(programs).join('|')} [ARGUMENTS]]`,
  );
}

async function setUp() {
  const started = performance.now();
  const madeParts = await makeParts([npmPackages, compiledSources]);
  const madeRest = await makePythonAndModel();
  throwIfStopped();
  say(madeParts || madeRest ? `Set up in ${secondsSince(started)}.` : 'Everything is set up.');
}

/** False when all of them were there. */
async function makeParts(parts) {
  if (parts.every((part) => part.isReady())) return false;
  const lock = inCheckout('.better-together', 'setup-lock');
  const sayWait = (owner) =>
    say(`Another set-up (process ${owner}) is at work here; waiting for it. If there is none, remove ${lock}`);
  await withLock(lock, sayWait, async () => {
    for (const part of parts) await makeUnlessReady(part);
  });
  return true;
}

async function makeUnlessReady(part) {
  throwIfStopped();
  if (part.isReady()) return;
  const started = performance.now();
  say(`… ${part.title} (${part.before})`);
  await part.make();
  say(`✓ ${part.title}, ${secondsSince(started)}`);
}

async function makePythonAndModel() {
  const { setUpInTerminal } = await import(pathToFileURL(inCheckout('dist', 'cli', 'setup.js')));
  try {
    return await setUpInTerminal(process.stderr, stopSignal);
  } catch (error) {
    throwIfStopped();
    if (error.hint === undefined) throw error;
    throw new SetupError(error.name === 'InputError' ? 2 : 1, error.message, error.hint);
  }
}

function secondsSince(start) {
  return `${((performance.now() - start) / 1000).toFixed(1)} s`;
}
