import { join } from 'node:path';
import { Interrupted, StepError, WorldError } from '../core/errors.ts';
import type { Json } from '../core/json.ts';
import type { TrainOptions } from '../core/trainer.ts';
import { kept, privateFolder, tailOfFile, writePrivately } from '../system/files.ts';
import { reportNetworkAttempt } from '../system/network.ts';
import { type Command, type ProcessEnd, startWorker, type Worker } from '../system/process.ts';
import { parseEvent, type TrainerEvent } from './event.ts';

export interface JobOptions extends Pick<TrainOptions, 'signal' | 'onProgress' | 'onPhase'> {
  /** The program that takes `run JOB.json` as its last arguments. */
  readonly command: Command;
  /** Whether a launcher stands between us and the trainer: it would not pass descriptor 3 on. */
  readonly isLaunched: boolean;
  /** The job's own: its results appear in it, and an interrupted job goes on from what is in it. */
  readonly folder: string;
  /** The trainer beats every 2 seconds. */
  readonly silenceMs?: number;
  /** From the request to stop to the end: the time for a step and a checkpoint. */
  readonly graceMs?: number;
}

/**
 * Carries out a job, or what is left of it, and resolves when all its results are in the folder.
 * Throws `Interrupted` when it was stopped and has saved, `StepError` for what would repeat, `WorldError` for everything else.
 */
export async function runJob(job: Json, options: JobOptions): Promise<void> {
  const { command, folder, signal, isLaunched, graceMs = 60_000 } = options;
  if (signal?.aborted) throw new Interrupted();
  const jobFile = join(privateFolder(folder), 'job.json');
  const logFile = join(folder, 'trainer.log');
  const linesFile = isLaunched ? join(folder, 'events.jsonl') : null;
  writePrivately(jobFile, JSON.stringify(job));

  const worker = startWorker(
    {
      program: command.program,
      args: [...command.args, 'run', jobFile],
      environment: { ...command.environment, ...(linesFile && { BETTER_TOGETHER_EVENTS: linesFile }) },
    },
    { folder, logFile, linesFile, graceMs, signal },
  );
  const heard = await listen(worker, options);
  const end = await worker.end;
  if (heard.broken) throw crashed(heard.broken.code, heard.broken.fact, 'Look at the log.', logFile);
  if (end.exitCode !== 0) throw endError(end, heard.error, logFile, options);
}

interface Heard {
  readonly error: Extract<TrainerEvent, { type: 'error' }> | undefined;
  /** Why the trainer was given up, if it was. */
  readonly broken: { readonly code: string; readonly fact: string } | undefined;
}

/** Follows the trainer to its end, and kills it when it says nothing for long, or says what it cannot have meant. */
async function listen(worker: Worker, { silenceMs = 120_000, onProgress, onPhase }: JobOptions): Promise<Heard> {
  let error: Heard['error'];
  let broken: Heard['broken'];
  let phase = '';
  const giveUp = (code: string, fact: string) => {
    broken ??= { code, fact };
    worker.kill();
  };
  const hear = (line: string) => {
    const event = parseEvent(line);
    if (!event) giveUp('trainer-protocol', `The trainer wrote a line that is not an event: ${line.slice(0, 200)}`);
    else if (event.type === 'error') error = event;
    else if (event.type === 'network') reportNetworkAttempt(event.to);
    else if (event.type === 'warning') onPhase?.(event.message);
    else if (event.type === 'progress') {
      const { step, steps, loss, secondsLeft } = event;
      onProgress?.({ step, steps, loss, secondsLeft });
    } else if (event.type === 'heartbeat' && event.phase !== phase) {
      phase = event.phase;
      onPhase?.(`trainer: ${phase}`);
    }
  };

  const silence = `The trainer has not given a sign of life for ${silenceMs / 1000} seconds.`;
  const alarm = setTimeout(() => giveUp('trainer-silent', silence), silenceMs);
  try {
    for await (const line of worker.lines) {
      alarm.refresh();
      try {
        hear(line);
      } catch (listenerError) {
        worker.kill(); // first: leaving the loop waits for the trainer's end
        throw listenerError;
      }
    }
    await worker.end;
  } finally {
    clearTimeout(alarm);
  }
  return { error, broken };
}

const wouldRepeat = new Set([2, 3, 4]); // a bad job, a failed check, no room for the model or one row
const stoppedAndSaved = 75;

function endError(end: ProcessEnd, said: Heard['error'], logFile: string, { command, signal }: JobOptions): Error {
  const { exitCode } = end;
  if (signal?.aborted || exitCode === stoppedAndSaved) return new Interrupted();
  if (end.startError) {
    const message = `The trainer's program ${command.program} could not be started (${end.startError}).`;
    return new WorldError(
      'trainer-not-started',
      message,
      'Is it installed, and in PATH? `better-together doctor` looks.',
    );
  }
  if (said && exitCode !== null && wouldRepeat.has(exitCode)) return new StepError(said.code, said.message, said.hint);
  if (said?.code === 'disk-full') return new WorldError(said.code, said.message, kept('Make room.'));
  if (exitCode !== null) {
    const fact = `The trainer ended with exit code ${exitCode}.${said ? ` ${said.message}` : ''}`;
    return crashed('trainer-crashed', fact, 'Look at the log.', logFile);
  }
  const hint = 'If the system did it for want of memory, end other programs, or train fewer layers or a smaller batch.';
  return crashed('trainer-crashed', `The trainer was killed by ${end.signal}.`, hint, logFile);
}

function crashed(code: string, fact: string, hint: string, logFile: string): WorldError {
  const tail = tailOfFile(logFile, 8192).trim();
  return new WorldError(code, tail ? `${fact}\nThe end of ${logFile}:\n${tail}` : fact, kept(hint));
}
