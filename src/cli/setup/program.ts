import { type BetterTogetherError, Interrupted } from '../../core/errors.ts';
import type { Work } from './step.ts';

export interface Program {
  readonly program: string;
  readonly args: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** The error to throw when it fails; `evidence` holds how it ended and its last lines. */
  readonly failure: (evidence: string) => BetterTogetherError;
}

/** Runs a program to its end; each line that it writes is progress. Stopping us stops it. */
export async function runProgram({ program, args, environment, failure }: Program, work: Work): Promise<void> {
  const { execa } = await import('execa'); // 150 ms to import, and most starts have nothing to run
  const lastLines: string[] = [];
  const subprocess = execa(program, args, {
    env: { ...work.environment, ...environment },
    stdin: 'ignore',
    all: true,
    buffer: false,
    reject: false,
    cancelSignal: work.signal,
  });
  for await (const line of subprocess.iterable({ from: 'all' })) {
    work.onProgress(line.trim());
    lastLines.push(line);
    if (lastLines.length > 12) lastLines.shift();
  }
  const result = await subprocess;
  if (work.signal.aborted) throw new Interrupted();
  if (result.failed) throw failure([result.shortMessage ?? '', ...lastLines].join('\n  '));
}
