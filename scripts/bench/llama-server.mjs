import { spawn, spawnSync } from 'node:child_process';
import { Agent, request } from 'node:http';
import { createServer } from 'node:net';
import { delimiter, join } from 'node:path';

/** Where llama-server is, if it is on the PATH. */
export function findLlamaServer() {
  const places = (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, 'llama-server'));
  return places.find((path) => spawnSync(path, ['--version']).status === 0);
}

/** Starts a server for so many requests at once, each with so much context, and waits until it answers. */
export async function startLlamaServer({ path, gguf, threads, slots, contextTokens, flags = [] }) {
  const port = await freePort();
  const args = ['-m', gguf, '--host', '127.0.0.1', '--port', port, '-np', slots, '-c', slots * contextTokens];
  const shape = ['-t', threads, '-tb', threads, '--no-ui', ...flags];
  const server = spawn(path, [...args, ...shape].map(String), { stdio: 'ignore' });
  const ended = new Promise((resolve) => server.once('exit', resolve));
  const agent = new Agent({ keepAlive: true, maxSockets: slots });
  const post = (route, body) => exchange({ port, agent, route, body });
  await untilReady(post, server);
  return {
    slots,
    /** Completes a prompt of token ids with exactly so many tokens, and gives the server's own counts. */
    async complete(ids, maxTokens) {
      const body = { prompt: ids, n_predict: maxTokens, temperature: 0, ignore_eos: true, cache_prompt: true };
      const { timings } = await post('/completion', body);
      return { evaluated: timings.prompt_n, generated: timings.predicted_n };
    },
    async stop() {
      agent.destroy();
      server.kill('SIGKILL');
      await ended;
    },
  };
}

async function untilReady(post, server) {
  for (let attempt = 0; attempt < 240 && server.exitCode === null; attempt++) {
    const answered = await post('/completion', { prompt: 'a', n_predict: 1 }).catch(() => null);
    if (answered?.timings) return;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  throw new Error('llama-server does not answer');
}

function exchange({ port, agent, route, body }) {
  const text = JSON.stringify(body);
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
  return new Promise((resolve, reject) => {
    const call = request({ host: '127.0.0.1', port, path: route, method: 'POST', agent, headers }, async (response) => {
      try {
        resolve(JSON.parse(Buffer.concat(await response.toArray()).toString('utf8')));
      } catch (error) {
        reject(error);
      }
    });
    call.once('error', reject);
    call.end(text);
  });
}

function freePort() {
  const probe = createServer();
  return new Promise((resolve) =>
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    }),
  );
}
