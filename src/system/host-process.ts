import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { hostDescriptor, openMessageChannel } from './message-channel.ts';

/** How a process ended, with the last of what it wrote on stderr (asserts of native code pass by every logger). */
export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string;
}

/** A process of ours that talks over a channel of messages and dies with us. */
export interface HostProcess {
  send(message: object): void;
  /** Resolves when the process is gone. */
  readonly ended: Promise<Ending>;
  /** Closes the channel, which our hosts take as their end; a process that is still there after the grace period is killed. */
  end(graceMs: number): Promise<Ending>;
  kill(): void;
  /** Whether this process's event loop waits for the other one. */
  holdOpen(hold: boolean): void;
}

export interface HostProcessOptions {
  /** The module to run: JavaScript, or TypeScript in a checkout. */
  readonly entry: URL;
  readonly env?: Readonly<Record<string, string>>;
  onMessage(message: unknown): void;
  /** It wrote bytes on the channel that are no message, of which these are the first; what comes after them is not looked at. */
  onRubbish(bytes: Buffer): void;
}

// Flags of the parent, such as a debugger's port or a test runner's loader, are not the host's. The young generation is kept small, because
// a process that lives for hours would let it grow by 50 MB.
const flags = ['--max-semi-space-size=1', '--expose-gc'];

export async function startHostProcess(options: HostProcessOptions): Promise<HostProcess> {
  const { entry, env = {}, onMessage, onRubbish } = options;
  const child = spawn(process.execPath, [...flags, await runnable(entry)], {
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  const channel = openMessageChannel(channelOf(child), { onMessage, onRubbish });
  const ended = endingOf(child);
  return {
    ended,
    send: channel.send,
    async end(graceMs) {
      channel.close();
      const grace = new AbortController();
      const overdue = delay(graceMs, undefined, { signal: grace.signal }).then(() => child.kill('SIGKILL'));
      overdue.catch(() => {});
      const ending = await ended;
      grace.abort();
      return ending;
    },
    kill: () => void child.kill('SIGKILL'),
    holdOpen: (hold) => holdOpen(child, hold),
  };
}

// `as`: what a pipe beyond the first three is; it is missing when there is no process.
const channelOf = (child: ChildProcess): Socket => (child.stdio[hostDescriptor] ?? new Socket()) as Socket;

const stderrKept = 8192;

async function endingOf(child: ChildProcess): Promise<Ending> {
  let stderr = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-stderrKept);
  });
  const exit = await new Promise<Omit<Ending, 'stderr'>>((resolve) => {
    child.on('exit', (code, signal) => resolve({ code, signal }));
    child.on('error', (error) => {
      stderr += String(error);
      // Without a process there is no exit to wait for; any other error of the channel is followed by one.
      if (child.pid === undefined) resolve({ code: null, signal: null });
    });
  });
  await Promise.race([drained(child), delay(200)]);
  return { ...exit, stderr };
}

/** The rest of what it wrote and sent: an exit is seen before that. A grandchild may hold either open for longer than that is worth. */
async function drained(child: ChildProcess): Promise<void> {
  const streams = [child.stderr, channelOf(child)];
  await Promise.all(streams.map((stream) => stream && !stream.closed && once(stream, 'close')));
}

function holdOpen(child: ChildProcess, hold: boolean): void {
  const change = hold ? 'ref' : 'unref';
  child[change]();
  channelOf(child)[change]();
  if (child.stderr instanceof Socket) child.stderr[change]();
}

const bundles = new Map<string, Promise<string>>();

/** Node 20 runs no TypeScript: in a checkout an entry is bundled once per process. */
function runnable(entry: URL): Promise<string> {
  const path = fileURLToPath(entry);
  if (!path.endsWith('.ts')) return Promise.resolve(path);
  const bundle = bundles.get(path) ?? bundled(path);
  bundles.set(path, bundle);
  return bundle;
}

async function bundled(path: string): Promise<string> {
  const { build } = await import('esbuild');
  const { outputFiles } = await build({
    entryPoints: [path],
    bundle: true,
    write: false,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    packages: 'external',
  });
  const { contents } = outputFiles[0]!;
  // Below node_modules, where the packages that stay outside the bundle are found from; by content, so that no run disturbs another.
  const folder = join(packageRoot(path), 'node_modules', '.cache', 'better-together');
  const file = join(folder, `host-${createHash('sha256').update(contents).digest('hex').slice(0, 16)}.mjs`);
  await mkdir(folder, { recursive: true });
  await writeFile(`${file}.${process.pid}`, contents);
  await rename(`${file}.${process.pid}`, file);
  return file;
}

function packageRoot(path: string): string {
  const folder = dirname(path);
  if (folder === path || existsSync(join(folder, 'package.json'))) return folder;
  return packageRoot(folder);
}
