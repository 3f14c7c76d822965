import type { CommonFlags } from './options.ts';
import { type Output, output } from './output.ts';

/** A command's work as commander calls it: with its output, its flags and its arguments. */
export const withOutput =
  <F extends CommonFlags, A extends readonly unknown[]>(
    work: (out: Output, flags: F, ...args: A) => Promise<void> | void,
  ) =>
  // Commander hands over: arguments, flags, command.
  async (...given: unknown[]) => {
    // `as`: the flags are the declared ones of this command.
    const flags = given.at(-2) as F;
    await work(output(flags.json), flags, ...(given.slice(0, -2) as unknown as A));
  };
