import { join } from 'node:path';
import { InputError } from '../../core/errors.ts';
import { environmentVariable } from '../../system/environment.ts';
import type { Work } from './step.ts';

export interface Python {
  readonly program: string;
  readonly version: string;
}

const candidates = ['python3.14', 'python3.13', 'python3.12', 'python3.11', 'python3', 'python'];

/** The newest Python of this machine that can run the trainer, or the one that the user names in UV_PYTHON. */
export async function findPython(work: Work): Promise<Python> {
  const named = environmentVariable('UV_PYTHON');
  const tooOld: string[] = [];
  // uv takes a program or a version there, and so do we.
  for (const candidate of named ? [named, `python${named}`] : candidates) {
    const python = await askPython(candidate, work);
    if (python && isNewEnough(python.version)) return python;
    if (python) tooOld.push(`${python.program} is ${python.version}`);
  }
  const looked = named ? `UV_PYTHON names ${named}` : `looked for ${candidates.join(', ')} on PATH`;
  throw new InputError(
    'python-missing',
    [`No Python 3.11 or newer was found: ${[looked, ...new Set(tooOld)].join('; ')}.`],
    'Install one (Debian, Ubuntu: apt install python3 python3-venv; macOS: brew install python), or give the path of one in\n' +
      'UV_PYTHON. Then run the same command again.',
  );
}

// A name on PATH need not be a Python: pyenv leaves a script for each version that any of its Pythons has. Only a run tells.
async function askPython(program: string, work: Work): Promise<Python | null> {
  const { outputOf } = await import('../../system/process.ts');
  const script = 'import sys; print(sys.executable); print(*sys.version_info[:3], sep=".")';
  const { exitCode, stdout } = await outputOf({ program, args: ['-c', script], environment: work.environment });
  const [executable, version] = stdout.split(/\r?\n/);
  return exitCode === 0 && executable && version ? { program: executable, version } : null;
}

function isNewEnough(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major === 3 && minor >= 11;
}

/** Where a virtual environment keeps a program. */
export const programIn = (environmentFolder: string, name: string): string =>
  process.platform === 'win32'
    ? join(environmentFolder, 'Scripts', `${name}.exe`)
    : join(environmentFolder, 'bin', name);
