import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

// The real scripts/setup.mjs in a checkout of a few lines, with a tiny program for npm, and a compiler that copies.
const npm = `#!/bin/sh
echo "npm $*" >> calls
rm -rf node_modules
mkdir -p node_modules/better-sqlite3 node_modules/typescript/bin
echo 'added 0 packages'
[ -z "$NPM_HANGS" ] || exec sleep 20
[ -z "$NPM_FAILS" ] || { echo 'npm error network' >&2; exit 1; }
cp package-lock.json node_modules/.package-lock.json
cp tsc node_modules/typescript/bin/tsc
[ -n "$NPM_COMPILES_NOTHING" ] || echo 'module.exports = class { close() {} }' > node_modules/better-sqlite3/index.js
`;
const tsc = `
const { appendFileSync, cpSync } = require('node:fs');
appendFileSync('calls', 'tsc\\n');
cpSync('src', process.argv[process.argv.indexOf('--outDir') + 1], { recursive: true });
process.exitCode = Number(process.env.TSC_EXITS ?? 0);
`;
const setup = 'export const setUpInTerminal = async () => process.env.REST_IS_MISSING !== undefined;';
const main = `
const [command, ...args] = process.argv.slice(2);
process.exitCode = 7;
if (args[0] === 'wait') {
  const signals = [];
  const heard = (signal) => { signals.push(signal); setTimeout(() => { console.log(signals.join()); process.exit(130); }, 300); };
  process.on('SIGINT', heard).on('SIGTERM', heard);
  setInterval(() => {}, 1000);
}
console.log(JSON.stringify([command, args]));
if (args[0] === 'die') process.kill(process.pid, 'SIGKILL');
`;
const lock = { packages: { '': {}, 'node_modules/better-sqlite3': { version: '1.0.0' } } };

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'checkout-'));
  for (const part of ['setup.mjs', 'setup'])
    cpSync(join('scripts', part), join(root, 'scripts', part), { recursive: true });
  write('package.json', JSON.stringify({ type: 'module', engines: { node: '^20.19 || ^22.13 || >=24' } }));
  write('package-lock.json', JSON.stringify(lock));
  write('tsconfig.json', '{}');
  write('tsconfig.build.json', '{}');
  write('src/cli/setup.js', setup);
  write('src/cli/main.js', main);
  write('tsc', tsc);
  write('bin/npm', npm);
  write('calls', '');
  chmodSync(join(root, 'bin', 'npm'), 0o755);
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

function write(file: string, content: string): void {
  mkdirSync(dirname(join(root, file)), { recursive: true });
  writeFileSync(join(root, file), content);
}

const calls = (): string[] => readFileSync(join(root, 'calls'), 'utf8').split('\n').slice(0, -1);

function start(args: readonly string[] = [], environment: Record<string, string> = {}): ChildProcess {
  const PATH = `${join(root, 'bin')}:/bin:/usr/bin`;
  return spawn(process.execPath, [join(root, 'scripts', 'setup.mjs'), ...args], {
    cwd: root,
    env: { PATH, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

interface Ended {
  readonly exitCode: number;
  readonly out: string;
  readonly said: string;
}

async function endOf(child: ChildProcess): Promise<Ended> {
  let [out, said] = ['', ''];
  child.stdout?.on('data', (data) => (out += data));
  child.stderr?.on('data', (data) => (said += data));
  const [exitCode] = await once(child, 'close');
  return { exitCode, out, said: said.replaceAll(/[\d.]+ s\b/g, 'N s') };
}

const run = (args?: readonly string[], environment?: Record<string, string>): Promise<Ended> =>
  endOf(start(args, environment));

test('installs and compiles in a fresh clone, with a line before and after each, on stderr only', async () => {
  expect(await run()).toEqual({
    exitCode: 0,
    out: '',
    said: [
      '… npm packages (npm ci, two to three minutes)',
      'added 0 packages',
      '✓ npm packages, N s',
      '… compiled sources (tsc, a few seconds)',
      '✓ compiled sources, N s',
      'Set up in N s.',
      '',
    ].join('\n'),
  });
  expect(calls()).toEqual(['npm ci --no-fund --no-audit', 'tsc']);
});

test('leaves the command as a program, which npx needs', async () => {
  await run();
  expect(statSync(join(root, 'dist', 'cli', 'main.js')).mode & 0o777).toBe(0o755);
});

test('says one short line and starts nothing when everything is there', async () => {
  await run();
  write('calls', '');
  expect(await run()).toEqual({ exitCode: 0, out: '', said: 'Everything is set up.\n' });
  expect(calls()).toEqual([]);
});

test('says so when the rest of set-up had something to do', async () => {
  await run();
  expect(await run([], { REST_IS_MISSING: 'yes' })).toEqual({ exitCode: 0, out: '', said: 'Set up in N s.\n' });
});

test('starts the program that is to follow, with its arguments, and ends with its exit code', async () => {
  const { exitCode, out } = await run(['--then', 'demo', '--json', '--seed', '0']);
  expect([exitCode, out]).toEqual([7, '["demo",["--json","--seed","0"]]\n']);
});

test('ends with the exit code of a shell when the program that follows is killed', async () => {
  expect(await run(['--then', 'demo', 'die'])).toMatchObject({ exitCode: 137 });
});

test.each(['SIGINT', 'SIGTERM'] as const)('passes %s on to the program that follows, once', async (signal) => {
  const child = start(['--then', 'demo', 'wait']);
  const ended = endOf(child);
  await once(child.stdout!, 'data');
  child.kill(signal);
  expect(await ended).toMatchObject({ exitCode: 130, out: `["demo",["wait"]]\n${signal}\n` });
});

test('compiles again what changed, and installs again when package-lock.json asks for something else', async () => {
  await run();
  utimesSync(join(root, 'src', 'cli', 'main.js'), 1, 1);
  await run();
  expect(calls().slice(2)).toEqual(['tsc']);
  const newer = { packages: { '': {}, 'node_modules/better-sqlite3': { version: '1.0.1' } } };
  write('package-lock.json', JSON.stringify(newer));
  await run();
  expect(calls().slice(3)).toEqual(['npm ci --no-fund --no-audit', 'tsc']);
});

test('takes what somebody installed by hand, when it fits', async () => {
  spawnSync(join(root, 'bin', 'npm'), ['ci'], { cwd: root });
  await run();
  expect(calls()).toEqual(['npm ci', 'tsc']);
});

test('does not take what was installed by hand without its native parts', async () => {
  spawnSync(join(root, 'bin', 'npm'), ['ci'], { cwd: root, env: { ...process.env, NPM_COMPILES_NOTHING: 'yes' } });
  await run();
  expect(calls()).toEqual(['npm ci', 'npm ci --no-fund --no-audit', 'tsc']);
});

test('an npm ci that fails counts for nothing, and the next start repairs it', async () => {
  const { exitCode, said } = await run(['--then', 'demo'], { NPM_FAILS: 'yes' });
  expect(exitCode).toBe(1);
  expect(said).toContain(
    'npm error network\nnpm ci failed with exit code 1; its own lines are above.\nThis part needs the network',
  );
  expect(calls()).toEqual(['npm ci --no-fund --no-audit']);
  expect(await run()).toMatchObject({ exitCode: 0 });
});

test('an npm ci that made no native parts counts for nothing, and names the setting', async () => {
  const { exitCode, said } = await run([], { NPM_COMPILES_NOTHING: 'yes' });
  expect(exitCode).toBe(1);
  expect(said).toContain('better-sqlite3 cannot be loaded');
  expect(said).toContain('npm config set ignore-scripts false');
  expect(existsSync(join(root, 'node_modules', '.setup-stamp'))).toBe(false);
});

test('sources that do not compile leave the last compiled ones as they were', async () => {
  await run();
  write('src/cli/main.js', 'a mistake');
  expect(await run(['--then', 'demo'], { TSC_EXITS: '1' })).toMatchObject({ exitCode: 1, out: '' });
  expect(readFileSync(join(root, 'dist', 'cli', 'main.js'), 'utf8')).toBe(main);
  expect(existsSync(join(root, 'dist-unfinished'))).toBe(false);
});

test('names npm when it is missing', async () => {
  rmSync(join(root, 'bin'), { recursive: true });
  expect(await run([], { PATH: '' })).toMatchObject({
    exitCode: 2,
    said: '… npm packages (npm ci, two to three minutes)\nnpm is not on PATH.\nInstall Node.js with npm, then run the same command again.\n',
  });
});

test('names the Node.js that it needs', async () => {
  write('package.json', JSON.stringify({ type: 'module', engines: { node: '^20.99 || >=99.1' } }));
  const { exitCode, said } = await run();
  expect(exitCode).toBe(2);
  expect(said).toContain(`This is Node.js ${process.versions.node}; better-together needs ^20.99 || >=99.1.`);
});

test.each([[['--then', 'dance']], [['--help']]])('refuses %j with its usage', async (args) => {
  expect(await run(args)).toMatchObject({
    exitCode: 2,
    said: `Set-up does not know "${args.join(' ')}".\nUsage: node scripts/setup.mjs [--then demo|test|test:long [ARGUMENTS]]\n`,
  });
});

test('of two at once the second waits, says for whom, and finds everything there', async () => {
  const first = start([], { NPM_HANGS: 'yes' });
  const firstEnd = endOf(first);
  await vi.waitUntil(() => calls().length === 1, { timeout: 5000 });
  const second = start();
  const secondEnd = endOf(second);
  const [firstWords] = await once(second.stderr!, 'data');
  expect(String(firstWords)).toContain(`Another set-up (process ${first.pid}) is at work here; waiting for it.`);
  expect(calls()).toEqual(['npm ci --no-fund --no-audit']);

  first.kill('SIGTERM');
  expect(await firstEnd).toMatchObject({ exitCode: 130, said: expect.stringContaining('Set-up was stopped.') });
  expect(await secondEnd).toMatchObject({ exitCode: 0, said: expect.stringContaining('✓ compiled sources') });
});

test('a lock that a killed set-up left behind holds nobody up', async () => {
  const killed = start([], { NPM_HANGS: 'yes' });
  const end = once(killed, 'exit');
  await vi.waitUntil(() => calls().length === 1, { timeout: 5000 });
  killed.kill('SIGKILL');
  await end;
  const { exitCode, said } = await run();
  expect(exitCode).toBe(0);
  expect(said).not.toContain('Another set-up');
});
