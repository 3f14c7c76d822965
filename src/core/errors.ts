/** An error that a person can act on: the thing, the fact and the remedy. */
export class BetterTogetherError extends Error {
  override readonly name: string = 'BetterTogetherError';
  /** Stable and machine-readable, such as `gguf-truncated`. */
  readonly code: string;
  /** What to do now; one or two sentences. */
  readonly hint: string;

  constructor(code: string, message: string, hint: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.hint = hint;
  }
}

/** The user's input or usage is wrong: nothing was started (exit code 2). Carries every mistake, not only the first. */
export class InputError extends BetterTogetherError {
  override readonly name = 'InputError';
  readonly mistakes: readonly string[];

  constructor(code: string, mistakes: readonly string[], hint: string, options?: ErrorOptions) {
    super(code, mistakes.join('\n'), hint, options);
    this.mistakes = mistakes;
  }
}

/** The world broke (host, disk, device, trainer): everything computed so far is kept and the run can be resumed (exit code 1). */
export class WorldError extends BetterTogetherError {
  override readonly name = 'WorldError';
}

/** A step failed for a reason that would repeat: it is recorded, and the run goes on with the next step. */
export class StepError extends BetterTogetherError {
  override readonly name = 'StepError';
}

/** More than `maxErrors` exceptions in the user's program or metric: stopped, and resumable after the fix (exit code 2). */
export class TooManyErrors extends BetterTogetherError {
  override readonly name = 'TooManyErrors';
}

/** The operator asked to stop (exit code 130); the run can be resumed. */
export class Interrupted extends BetterTogetherError {
  override readonly name = 'Interrupted';

  constructor(options?: ErrorOptions) {
    super('interrupted', 'Stopped on request.', 'Run the same command again: it goes on where it was.', options);
  }
}

/** A state that our own code excludes; the value seen is part of the message. */
export function assertNever(value: never): never {
  throw new TypeError(`Unexpected value: ${JSON.stringify(value)}`);
}
