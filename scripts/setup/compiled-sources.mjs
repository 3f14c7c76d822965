import { chmodSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inCheckout, readText, stampOf } from './checkout.mjs';
import { run, SetupError, throwIfStopped } from './program.mjs';

/** dist, compiled from src. */
export const compiledSources = {
  title: 'compiled sources',
  before: 'tsc, a few seconds',

  isReady() {
    return readText(inCheckout('dist', '.setup-stamp')) === stamp();
  },

  async make() {
    const taken = stamp(); // before tsc: what is saved while it runs is compiled again next time
    const unfinished = inCheckout('dist-unfinished'); // as deep as dist, because source maps hold relative paths
    try {
      rmSync(unfinished, { recursive: true, force: true });
      await compileInto(unfinished);
      chmodSync(join(unfinished, 'cli', 'main.js'), 0o755); // npx starts it as a program, by a link that it made earlier
      writeFileSync(join(unfinished, '.setup-stamp'), taken);
      rmSync(inCheckout('dist'), { recursive: true, force: true });
      renameSync(unfinished, inCheckout('dist'));
    } finally {
      rmSync(unfinished, { recursive: true, force: true });
    }
  },
};

function stamp() {
  const files = readdirSync(inCheckout('src'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  const settings = ['tsconfig.json', 'tsconfig.build.json', 'package-lock.json'].map((name) =>
    readText(inCheckout(name)),
  );
  return stampOf(settings, files.map(nameSizeAndTime));
}

function nameSizeAndTime(path) {
  const { size, mtimeMs } = statSync(path);
  return [path, size, mtimeMs];
}

async function compileInto(folder) {
  const tsc = inCheckout('node_modules', 'typescript', 'bin', 'tsc');
  const args = ['--project', inCheckout('tsconfig.build.json'), '--outDir', folder, '--incremental', 'false'];
  const stdio = ['ignore', process.stderr, process.stderr];
  const exitCode = await run(process.execPath, [tsc, ...args], { cwd: inCheckout(), stdio });
  throwIfStopped();
  if (exitCode === 0) return;
  throw new SetupError(
    1,
    'The sources do not compile; the mistakes are above.',
    'Mend them, then run the same command again.',
  );
}
