import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { WorldError } from '../../core/errors.ts';
import { moveDurably } from '../../system/files.ts';
import { requireSpace } from './disk-space.ts';
import { runProgram } from './program.ts';
import { findPython, programIn } from './python.ts';
import { hasStamp, stampOf, writeStamp } from './stamp.ts';
import type { Step, Work } from './step.ts';
import { findUv, NETWORK_HINT, uvEnvironment } from './uv.ts';

// Measured: 5.9 GB with the CUDA build of torch, which is also the one for Linux without a GPU.
const NEEDED_BYTES = 6.5e9;

/** The Python environment of the trainer, from its lock file. */
export function pythonEnvironment(folder: string, lockFile: string): Step {
  const stampFile = join(folder, '.setup-stamp');
  const stamp = stampOf(readFileSync(lockFile, 'utf8'));
  return {
    title: 'Python environment',
    before: 'torch, transformers, TRL, PEFT; about 6 GB, one to three minutes',
    // A Python that was uninstalled leaves a link to nothing behind, which does not exist.
    isReady: () => hasStamp(stampFile, stamp) && existsSync(programIn(folder, 'python')),
    make: (work) => makeEnvironment({ folder, lockFile, stamp }, work),
  };
}

interface Wanted {
  readonly folder: string;
  readonly lockFile: string;
  readonly stamp: string;
}

async function makeEnvironment({ folder, lockFile, stamp }: Wanted, work: Work): Promise<string> {
  mkdirSync(dirname(folder), { recursive: true });
  requireSpace(dirname(folder), NEEDED_BYTES);
  const python = await findPython(work);
  const uv = await findUv(work);
  const runUv = (...args: readonly string[]): Promise<void> =>
    runProgram({ program: uv.program, args, environment: uvEnvironment(), failure: notMade }, work);

  // Beside its final place, so that it can be moved there; --relocatable, so that it works there.
  const unfinished = `${folder}-unfinished`;
  rmSync(unfinished, { recursive: true, force: true });
  try {
    await runUv('venv', '--relocatable', '--no-project', '--python', python.program, unfinished);
    await runUv(
      'pip',
      'install',
      '--python',
      programIn(unfinished, 'python'),
      '--compile-bytecode',
      '--require-hashes',
      '-r',
      lockFile,
    );
    writeStamp(join(unfinished, '.setup-stamp'), stamp);
    rmSync(folder, { recursive: true, force: true });
    moveDurably(unfinished, folder);
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
  return `Python ${python.version}, ${uv.version}`;
}

const notMade = (evidence: string): WorldError =>
  new WorldError(
    'python-environment-not-made',
    `The Python environment could not be made.\n  ${evidence}`,
    NETWORK_HINT,
  );
