import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { inCheckout } from '../setup/checkout.mjs';

/** Every prompt optimizer on every problem of the simulated laboratory, over 20 seeds; parts are optimizers. The figures depend on no machine. */
export async function bench(say, parts) {
  const { cellOf, chancesOfLoss, meanOf, optimizerNames, pairedGain, problemNames } = await laboratory();
  const unknown = parts.find((part) => !optimizerNames.includes(part));
  if (unknown !== undefined) {
    say(`There is no part "${unknown}" of this bench. Its parts: ${optimizerNames.join(', ')}.`);
    process.exit(2);
  }
  const chosen = optimizerNames.filter((name) => parts.length === 0 || parts.includes(name));
  const cells = [];
  for (const problem of problemNames) {
    say(`${problem} …`);
    for (const optimizer of chosen) cells.push(await cellOf(optimizer, problem));
  }
  const chances = chancesOfLoss(cells);
  const rows = cells.map(({ problem, optimizer, scores, gainsOnTest }, index) => ({
    problem,
    optimizer,
    start: meanOf(scores.start),
    found: meanOf(scores.found),
    best: meanOf(scores.best),
    gain: pairedGain(scores.found, scores.start),
    onTest: meanOf(gainsOnTest),
    chance: chances[index],
    calls: meanOf(scores.calls),
  }));
  const percent = (share) => (100 * share).toFixed(1);
  return {
    figures: Object.fromEntries(rows.map(({ problem, optimizer, found }) => [`${problem}/${optimizer}`, round(found)])),
    head: [
      'problem',
      'optimizer',
      'start',
      'found',
      'best',
      'gain [95 %]',
      'on the sealed test',
      'loss by chance',
      'calls',
    ],
    rows: rows.map(({ problem, optimizer, start, found, best, gain, onTest, chance, calls }) => [
      problem,
      optimizer,
      ...[start, found, best].map(percent),
      `${percent(gain.mean)} [${percent(gain.low)}, ${percent(gain.high)}]`,
      percent(onTest),
      chance.toFixed(2),
      Math.round(calls),
    ]),
  };
}

const round = (number) => Number(number.toFixed(4));

/** The laboratory is TypeScript of the tests: bundled with the sources of the optimizers as they are now. */
async function laboratory() {
  const folder = await mkdtemp(join(tmpdir(), 'better-together-bench-'));
  const bundle = join(folder, 'laboratory.mjs');
  try {
    await build({
      stdin: {
        contents: `export * from './test/support/laboratory-compare.ts'; export * from './test/support/laboratory-table.ts';`,
        resolveDir: inCheckout('.'),
      },
      outfile: bundle,
      bundle: true,
      platform: 'node',
      format: 'esm',
      // seedrandom is CommonJS and asks for node's own modules.
      banner: { js: `import { createRequire } from 'node:module';\nconst require = createRequire(import.meta.url);` },
      logLevel: 'error',
    });
    return await import(pathToFileURL(bundle));
  } finally {
    rmSync(folder, { recursive: true });
  }
}
