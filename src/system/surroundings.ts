import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { arch, cpus, release, totalmem, type } from 'node:os';
import { cores } from './hardware.ts';
import { outputOf } from './process.ts';

/** The machine, for the record. */
export const hardware = () => ({
  system: `${type()} ${release()} ${arch()}`,
  processor: cpus()[0]?.model ?? 'unknown',
  cores: cores(),
  memoryBytes: totalmem(),
  node: process.version,
});

const longestDiff = 100_000;

/** Commit and uncommitted changes of a folder; null where there is no git, or no commit. */
export async function gitState(folder: string) {
  const git = async (...args: string[]): Promise<string | null> => {
    // Looking must not write: git would refresh its index, which another process may be using.
    const environment = { GIT_OPTIONAL_LOCKS: '0' };
    const { exitCode, stdout } = await outputOf({ program: 'git', args: ['-C', folder, ...args], environment });
    return exitCode === 0 ? stdout : null;
  };
  const commit = await git('rev-parse', 'HEAD');
  if (commit === null) return null;
  const [status, diff] = [await git('status', '--porcelain', '--', '.'), await git('diff', 'HEAD', '--', '.')];
  return {
    commit: commit.trim(),
    changed: (status ?? '').split('\n').filter((line) => line !== ''),
    diff: diff !== null && diff.length <= longestDiff ? diff : null,
    diffSha256: sha256(diff ?? ''),
  };
}

/** Of a text file's content. */
export const sha256OfText = (path: string): string => sha256(readFileSync(path, 'utf8'));

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
