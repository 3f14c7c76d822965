import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { basename } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';

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
  const [program = process.execPath, ...before] = [...launcher, process.execPath, built(source)];
  const child = spawn(program, [...before, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(child, 'close');
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const line = async () => {
    const { value, done } = await lines.next();
    return done ? undefined : String(value);
  };
  const rest = async () => {
    const all: string[] = [];
    for (let next = await line(); next !== undefined; next = await line()) all.push(next);
    await ended;
    return all;
  };
  return { process: child, line, rest };
}

const known = new Set<string>();

/** The program as plain JavaScript; inside node_modules, because what it imports is found from there. Names are unique among the tests. */
function built(source: URL): string {
  const entry = fileURLToPath(source);
  const outfile = fileURLToPath(
    new URL(`../../node_modules/.cache/better-together-tests/${basename(entry, '.ts')}.mjs`, import.meta.url),
  );
  if (!known.has(entry)) {
    buildSync({ entryPoints: [entry], outfile, bundle: true, packages: 'external', platform: 'node', format: 'esm' });
    known.add(entry);
  }
  return outfile;
}
