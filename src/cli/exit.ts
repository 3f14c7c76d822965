import { BetterTogetherError, InputError, Interrupted, TooManyErrors } from '../core/errors.ts';

/** 1: the world broke and the run can be resumed. 2: bad input or usage. 130: interrupted and resumable. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof Interrupted) return 130;
  if (error instanceof InputError || error instanceof TooManyErrors) return 2;
  return 1;
}

/** An error for people: the facts and the remedy; the stack only where it is our mistake. */
export function explain(error: unknown): string {
  if (error instanceof BetterTogetherError) return `${error.message}\n${error.hint}`;
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return `This is a mistake in better-together itself, please report it. Everything computed so far is kept.\n${stack}`;
}
