import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { loadProgram } from '../../src/cli/load-program.ts';
import { openModel } from '../../src/cli/wiring.ts';
import { candidateOf, predict } from '../../src/core/callable.ts';
import { signature } from '../../src/core/signature.ts';
import { readProgram, saveProgram } from '../../src/store/program-file.ts';
import { type ChatServer, chatServer, completion, modelList } from '../support/chat-server.ts';

const folder = mkdtempSync(join(tmpdir(), 'better-together-endpoint-cli-'));
const servers: ChatServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
  rmSync(folder, { recursive: true, force: true });
});

async function server(): Promise<ChatServer> {
  const opened = await chatServer({
    '/v1/models': modelList('small/one#q8', 'somebody'),
    '/v1/chat/completions': ({ body }) =>
      completion(body.response_format === undefined ? 'Hi' : JSON.stringify({ answer: 'c4b1e9', team: 'billing' })),
  });
  servers.push(opened);
  return opened;
}

test('a program on an endpoint is saved with its address, and answers when it is loaded', async () => {
  const { url } = await server();
  const lm = await openModel(`${url}#small/one#q8`);
  const program = predict(signature("ticket -> team: 'billing' | 'delivery'"), { labelList: 'omitted' }).withLm(lm);
  const { predictors } = program.structure;
  const saved = { predictors, candidate: candidateOf(program), bases: [lm.base], adapters: [], embeddings: new Map() };
  const path = saveProgram(saved, join(folder, 'program'));
  expect((await readProgram(path)).bases).toEqual([
    { sha256: lm.base.sha256, name: 'small/one#q8', path: `${url}#small/one#q8` },
  ]);
  expect((await readProgram(path)).candidate).toEqual(candidateOf(program));
  await using loaded = await loadProgram(path);
  expect(await loaded({ ticket: 'I was charged twice.' })).toEqual({ team: 'billing' });

  const other = await server();
  await expect(loadProgram(path, { gguf: other.url })).rejects.toMatchObject({
    code: 'model-differs',
    hint: expect.stringContaining(`The program was optimized on ${url}#small/one#q8.`),
  });
});
