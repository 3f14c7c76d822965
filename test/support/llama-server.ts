import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { delimiter, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/** A real server, of whatever release is installed. */
export interface LlamaServer {
  /** Its address, with /v1. */
  readonly url: string;
  readonly process: ChildProcess;
  close(): Promise<void>;
}

/** Where llama-server is, if it is on the PATH. */
export function findLlamaServer(): string | undefined {
  const places = (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, 'llama-server'));
  return places.find((path) => spawnSync(path, ['--version']).status === 0);
}

/** Starts a server and waits until it answers; `port`: that of a server that is gone. */
export async function startLlamaServer(path: string, gguf: string, port?: number): Promise<LlamaServer> {
  const own = port ?? (await freePort());
  // One thread: with a second one, on a core that is busy, it would take minutes to load.
  const layout = ['-np', '4', '-c', '2048', '-t', '1'];
  const server = spawn(path, ['-m', gguf, '--host', '127.0.0.1', '--port', String(own), ...layout, '--no-ui'], {
    stdio: 'ignore',
  });
  const ended = once(server, 'exit');
  const root = `http://127.0.0.1:${own}`;
  await untilReady(root, server);
  return {
    url: `${root}/v1`,
    process: server,
    async close() {
      server.kill('SIGKILL');
      await ended;
    },
  };
}

async function untilReady(root: string, server: ChildProcess): Promise<void> {
  for (let attempt = 0; attempt < 400 && server.exitCode === null; attempt++) {
    const health = await fetch(`${root}/health`).catch(() => null);
    if (health?.status === 200) return;
    await delay(250);
  }
  throw new Error('llama-server does not answer');
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  await once(probe, 'close');
  if (typeof address !== 'object' || address === null) throw new TypeError('A port was expected');
  return address.port;
}
