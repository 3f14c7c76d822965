import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';

// Inside node_modules, so that what the program imports is found from there.
const built = fileURLToPath(new URL('../../node_modules/.cache/better-together-tests/', import.meta.url));

/** A process of its own. */
export interface Program {
  readonly process: ChildProcess;
  /** The next line it prints; undefined at its end. */
  line(): Promise<string | undefined>;
  /** All lines from here to its end. */
  rest(): Promise<string[]>;
}

/** Runs a TypeScript file with Node, or with what stands before Node in `launcher`. */
export function startProgram(source: URL, args: readonly string[], launcher: readonly string[] = []): Program {
  const outfile = join(built, `${basename(source.pathname, '.ts')}-${process.pid}.mjs`);
  buildSync({
    entryPoints: [fileURLToPath(source)],
    outfile,
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
  });
  const [program = process.execPath, ...before] = [...launcher, process.execPath];
  const child = spawn(program, [...before, outfile, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const line = async () => {
    const { value, done } = await lines.next();
    return done ? undefined : String(value);
  };
  return {
    process: child,
    line,
    async rest() {
      const ended = once(child, 'close');
      const all: string[] = [];
      for (let next = await line(); next !== undefined; next = await line()) all.push(next);
      if (child.exitCode === null) await ended;
      return all;
    },
  };
}
