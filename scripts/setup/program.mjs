import { spawn } from 'node:child_process';
import { constants } from 'node:os';

/** What a person can act on. Exit codes: 1 the world broke, 2 a tool is missing or the usage is wrong, 130 stopped on request. */
export class SetupError extends Error {
  constructor(exitCode, message, hint) {
    super(message);
    this.exitCode = exitCode;
    this.hint = hint;
  }
}

const stop = new AbortController();
let running = null;

/** Aborted when somebody asks us to stop. */
export const stopSignal = stop.signal;

for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(name, () => {
    stop.abort();
    if (running && !isSentByTerminal(name)) running.kill(name);
  });
}

// A terminal sends these to every program in its foreground: passed on, they would count twice.
const isSentByTerminal = (name) =>
  name !== 'SIGTERM' && (process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY);

/** Runs a program to its end, passing on what asks us to stop; the exit code that a shell would report. */
export function run(program, args, options) {
  return new Promise((resolve, reject) => {
    running = spawn(program, args, options);
    running.on('error', reject);
    running.on('close', (exitCode, signalName) => {
      running = null;
      resolve(exitCode ?? 128 + constants.signals[signalName]);
    });
  });
}

export function throwIfStopped() {
  if (!stop.signal.aborted) return;
  throw new SetupError(130, 'Set-up was stopped.', 'Run the same command again: what is finished is kept.');
}
