import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ChatServer, chatServer, completion, modelList } from '../support/chat-server.ts';
import { betterTogether, documentOf } from '../support/command-line.ts';

// The command line on an endpoint that knows the team from the ticket's last word.

let folder: string;
let server: ChatServer;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'better-together-budget-'));
  const rows = Array.from({ length: 40 }, (_, index) => {
    const team = index % 2 === 0 ? 'billing' : 'delivery';
    return JSON.stringify({ ticket: `ticket ${index} is for ${team}`, team, split: index < 20 ? 'train' : 'val' });
  });
  writeFileSync(join(folder, 'tickets.jsonl'), rows.join('\n'));
  server = await chatServer({
    '/v1/models': modelList('clever', 'somebody'),
    '/v1/chat/completions': ({ body }) =>
      completion(
        JSON.stringify({
          team: body.messages.length > 2 ? 'billing' : body.messages.at(-1)?.content.split(' ').at(-1),
        }),
      ),
  });
});
afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

const run = (...flags: string[]) => {
  const task = ['--data', 'tickets.jsonl', '--signature', "ticket -> team: 'billing' | 'delivery'"];
  const model = ['--model', server.url, '--strategy', 'p', '--store', join(folder, 'runs.sqlite')];
  return betterTogether(['run', ...task, ...model, ...flags], { cwd: folder });
};

test('the limits reach the run, are shown before and while it runs, and are kept', async () => {
  const limits = ['--max-calls', '90', '--max-metric-calls', '80', '--max-tokens', '60000', '--max-minutes', '30.5'];
  const started = await run('--json', ...limits);
  const { budget, reproducible } = documentOf(started);
  expect(budget).toMatchObject({
    calls: { limit: 90 },
    metricCalls: { limit: 80 },
    tokens: { limit: 60_000 },
    minutes: { limit: 30.5 },
  });
  expect(budget!.metricCalls.spent).toBeGreaterThan(0);
  expect(budget!.metricCalls.spent).toBeLessThanOrEqual(80);
  // The server says 20 and 5 of each.
  expect(budget!.tokens.spent).toBe(25 * budget!.calls.spent);
  expect(reproducible).toBe('replay');
  expect(started.stderr).toContain(
    'budget of the steps: at most 90 model calls, 80 metric calls, 60,000 tokens, 30.5 minutes',
  );
  expect(started.stderr).toMatch(/budget left: \d+ model calls, \d+ metric calls, [\d,]+ tokens, [\d.]+ minutes/);
});

test.each([
  ['--max-metric-calls', '0', 'a whole number of at least 1'],
  ['--max-metric-calls', '2.5', 'a whole number of at least 1'],
  ['--max-tokens', '-1', 'a whole number of at least 1'],
  ['--max-tokens', 'many', 'a whole number of at least 1'],
  ['--max-minutes', '0', 'a number above 0'],
  ['--max-minutes', 'Infinity', 'a number above 0'],
])('%s %s is refused', async (flag, value, wanted) => {
  const { exitCode, stderr } = await run(flag, value);
  expect(stderr).toContain(`${flag} is "${value}"; it is ${wanted}`);
  expect(exitCode).toBe(2);
});
