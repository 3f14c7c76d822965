import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { inCheckout, readText, stampOf } from './checkout.mjs';
import { run, SetupError, throwIfStopped } from './program.mjs';

const stampFile = inCheckout('node_modules', '.setup-stamp');

// Node's ABI is part of it: better-sqlite3 is compiled for one.
const stamp = () =>
  stampOf(readText(inCheckout('package-lock.json')), process.versions.modules, process.platform, process.arch);

/** node_modules, as package-lock.json wants it. */
export const npmPackages = {
  title: 'npm packages',
  before: 'npm ci, two to three minutes',

  isReady() {
    if (readText(stampFile) === stamp()) return true;
    if (!installedVersionsFit() || !nativePackageLoads()) return false;
    writeFileSync(stampFile, stamp()); // somebody ran npm by hand
    return true;
  },

  async make() {
    await npmCi(); // removes node_modules first, and our stamp with it
    if (!nativePackageLoads()) {
      throw new SetupError(
        1,
        'npm ci finished, but better-sqlite3 cannot be loaded: its binary was not made.',
        'If install scripts are switched off, allow them (npm config set ignore-scripts false), then run the same command again.',
      );
    }
    writeFileSync(stampFile, stamp());
  },
};

async function npmCi() {
  const exitCode = await run('npm', ['ci', '--no-fund', '--no-audit'], {
    cwd: inCheckout(),
    stdio: ['ignore', process.stderr, process.stderr],
    shell: process.platform === 'win32', // npm is a batch file there
  }).catch(() => {
    throw new SetupError(2, 'npm is not on PATH.', 'Install Node.js with npm, then run the same command again.');
  });
  throwIfStopped();
  if (exitCode === 0) return;
  throw new SetupError(
    1,
    `npm ci failed with exit code ${exitCode}; its own lines are above.`,
    'This part needs the network (npm uses the registry that it is configured with) and, where better-sqlite3 has no\n' +
      'ready-made binary, a C++ compiler, make and Python. Mend that, then run the same command again.',
  );
}

/** Whether node_modules holds what package-lock.json asks for, by npm's own record of it. Optional packages may be absent. */
function installedVersionsFit() {
  const record = readText(inCheckout('node_modules', '.package-lock.json'));
  if (record === null) return false;
  const installed = JSON.parse(record).packages;
  const { '': _ourselves, ...wanted } = JSON.parse(readText(inCheckout('package-lock.json'))).packages;
  return Object.entries(wanted).every(([path, { version, optional }]) =>
    installed[path] ? installed[path].version === version : optional,
  );
}

function nativePackageLoads() {
  const script = "const Database = require('better-sqlite3'); new Database(':memory:').close()";
  return spawnSync(process.execPath, ['--eval', script], { cwd: inCheckout(), stdio: 'ignore' }).status === 0;
}
