import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { InputError, WorldError } from '../../core/errors.ts';
import { environmentVariable } from '../../system/environment.ts';
import { moveDurably, writePrivately } from '../../system/files.ts';
import { runProgram } from './program.ts';
import { findPython, type Python, programIn } from './python.ts';
import { hasStamp, stampOf, writeStamp } from './stamp.ts';
import type { Work } from './step.ts';
import { UV_REQUIREMENT } from './uv-requirement.ts';

export interface Uv {
  readonly program: string;
  /** As it calls itself, such as `uv 0.13.9`. */
  readonly version: string;
}

/** The uv of this machine, else one of our own, fetched once by pip into the scratch folder. */
export async function findUv(work: Work): Promise<Uv> {
  const installed = await askVersion('uv', work);
  if (installed) return installed;
  const own = join(work.scratch, 'uv');
  const stamp = stampOf(UV_REQUIREMENT);
  if (!hasStamp(join(own, STAMP), stamp)) await makeOwn(own, stamp, work);
  const made = await askVersion(programIn(own, 'uv'), work);
  if (made) return made;
  rmSync(own, { recursive: true });
  throw new WorldError(
    'uv-broken',
    `${programIn(own, 'uv')} cannot be run.`,
    'Install uv, then run the same command again.',
  );
}

async function askVersion(program: string, work: Work): Promise<Uv | null> {
  const { outputOf } = await import('../../system/process.ts');
  const { exitCode, stdout } = await outputOf({ program, args: ['--version'], environment: work.environment });
  return exitCode === 0 ? { program, version: stdout.split(' ').slice(0, 2).join(' ') } : null;
}

async function makeOwn(folder: string, stamp: string, work: Work): Promise<void> {
  const python = await findPython(work);
  const unfinished = `${folder}-unfinished`;
  const requirements = join(work.scratch, 'uv-requirement.txt');
  rmSync(unfinished, { recursive: true, force: true });
  work.onProgress('fetching uv');
  await makePlainEnvironment(python, unfinished, work);
  writePrivately(requirements, UV_REQUIREMENT);
  await runProgram(
    {
      program: programIn(unfinished, 'python'),
      args: ['-m', 'pip', 'install', '--disable-pip-version-check', '--require-hashes', '-r', requirements],
      failure: (evidence) => new WorldError('uv-not-fetched', `uv could not be fetched.\n  ${evidence}`, NETWORK_HINT),
    },
    work,
  );
  writeStamp(join(unfinished, STAMP), stamp);
  // The folder moves, which breaks what pip wrote beside it; uv itself is one native program.
  rmSync(folder, { recursive: true, force: true });
  moveDurably(unfinished, folder);
}

const makePlainEnvironment = (python: Python, folder: string, work: Work): Promise<void> =>
  runProgram(
    {
      program: python.program,
      args: ['-m', 'venv', folder],
      failure: (evidence) =>
        new InputError(
          'uv-missing',
          [`uv is not on PATH, and ${python.program} cannot make an environment to fetch it into.\n  ${evidence}`],
          'Install uv, or what Python needs for it (Debian, Ubuntu: apt install python3-venv). Then run the same command again.',
        ),
    },
    work,
  );

/** Which settings of pip have a like in uv. uv reads none of pip's. */
const pipSettings = [
  { pip: 'PIP_INDEX_URL', uv: ['UV_DEFAULT_INDEX', 'UV_INDEX_URL'] },
  { pip: 'PIP_EXTRA_INDEX_URL', uv: ['UV_INDEX', 'UV_EXTRA_INDEX_URL'] },
  { pip: 'PIP_FIND_LINKS', uv: ['UV_FIND_LINKS'] },
  { pip: 'PIP_NO_INDEX', uv: ['UV_NO_INDEX'] },
  { pip: 'PIP_CERT', uv: ['SSL_CERT_FILE'] },
] as const;

/** What uv gets on top of the environment: never fetch a Python, and heed where the user told pip to look, unless uv was told itself. */
export function uvEnvironment(
  variable: (name: string) => string | undefined = environmentVariable,
): Record<string, string> {
  const environment: Record<string, string> = { UV_PYTHON_DOWNLOADS: 'never', NO_COLOR: '1' };
  for (const { pip, uv } of pipSettings) {
    const value = variable(pip);
    if (value && !uv.some(variable))
      environment[uv[0]] = pip === 'PIP_FIND_LINKS' ? value.split(/\s+/).join(',') : value;
  }
  return environment;
}

/** The remedy when a download failed; what is complete is in uv's or pip's cache. */
export const NETWORK_HINT =
  'This part needs the network, once. Behind a mirror, name it in UV_DEFAULT_INDEX or PIP_INDEX_URL. Then run the same command\n' +
  'again: what was fetched completely is not fetched again.';

const STAMP = '.setup-stamp';
