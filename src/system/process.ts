import { closeSync, openSync, readFileSync, rmSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { execa, type Result } from 'execa';
import { withFile } from './files.ts';

export interface Command {
  readonly program: string;
  readonly args: readonly string[];
  /** On top of this process's own. */
  readonly environment: Readonly<Record<string, string>>;
}

/** How a process ended: by itself (`exitCode`), by a signal, or without ever having started (`startError`, such as `ENOENT`). */
export interface ProcessEnd {
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly startError: string | null;
}

/** Runs a short program to its end, without input. */
export async function outputOf(command: Command): Promise<ProcessEnd & { stdout: string; stderr: string }> {
  const result = await execa(command.program, command.args, {
    env: command.environment,
    stdin: 'ignore',
    reject: false,
  });
  return { ...endOf(result), stdout: result.stdout, stderr: result.stderr };
}

export interface WorkerOptions {
  readonly folder: string;
  /** Takes both standard output and standard error, straight from the kernel. */
  readonly logFile: string;
  /** Where the worker appends its lines when a launcher in between does not pass descriptor 3 on; null: on descriptor 3. */
  readonly linesFile: string | null;
  /** How long after a request to stop it may take to save. */
  readonly graceMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** A long-lived child process that reports in lines. Its standard input stays open for as long as we live, and ends when we die. */
export interface Worker {
  readonly lines: AsyncIterable<string>;
  readonly end: Promise<ProcessEnd>;
  /** At once, without saving. */
  kill(): void;
}

export function startWorker(command: Command, options: WorkerOptions): Worker {
  const { folder, logFile, linesFile, graceMs, signal } = options;
  if (linesFile) rmSync(linesFile, { force: true });
  // `as`: execa passes every open descriptor on; its types count only to 9.
  const log = withFile(logFile, () => openSync(logFile, 'w', 0o600)) as 9;
  const subprocess = execa(command.program, command.args, {
    cwd: folder,
    env: command.environment,
    stdio: ['pipe', log, log, 'pipe'],
    buffer: false,
    reject: false,
    forceKillAfterDelay: graceMs,
    ...(signal && { cancelSignal: signal }),
  });
  closeSync(log);
  const end = subprocess.then(endOf);
  return {
    lines: linesFile ? linesWrittenTo(linesFile, end) : subprocess.iterable({ from: 'fd3' }),
    end,
    kill: () => void subprocess.kill('SIGKILL'),
  };
}

function endOf(result: Pick<Result, 'exitCode' | 'signal' | 'code'>): ProcessEnd {
  const { exitCode = null, signal = null, code = null } = result;
  const ended = exitCode !== null || signal !== null;
  return { exitCode, signal, startError: ended ? null : (code ?? 'unknown') };
}

/** The lines of a growing file, until `end`. A file on a cluster's shared folder sends no notifications: look for news instead. */
async function* linesWrittenTo(path: string, end: Promise<unknown>): AsyncGenerator<string> {
  let hasEnded = false;
  void end.then(() => {
    hasEnded = true;
  });
  let seen = 0;
  for (;;) {
    const isLastLook = hasEnded;
    const lines = completeLines(path);
    yield* lines.slice(seen);
    seen = lines.length;
    if (isLastLook) return;
    await Promise.race([delay(250), end]);
  }
}

function completeLines(path: string): string[] {
  try {
    return readFileSync(path, 'utf8').split('\n').slice(0, -1);
  } catch {
    return []; // not written yet
  }
}
