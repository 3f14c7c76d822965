import { expect, test } from 'vitest';
import { createLogLines } from '../../src/lm/llama/log-lines.ts';

test('quotes the warnings and errors among the last lines, or all of them when nothing went wrong', async () => {
  const log = createLogLines(3);
  log.add('info', 'loading\nstill loading\n');
  expect(await log.quoted()).toBe('\nFrom its log:\n  info: loading\n  info: still loading');
  log.add('error', 'missing tensor\n');
  log.add('info', 'giving up');
  expect(await log.quoted()).toBe('\nFrom its log:\n  error: missing tensor');
});

test('quotes nothing when nothing was logged', async () => {
  expect(await createLogLines().quoted()).toBe('');
});

test('finds what was said at the start, however much was said since', () => {
  const log = createLogLines(2);
  log.add('info', 'load_backend: loaded CPU backend from /a/libggml-cpu-zen4.so');
  for (let i = 0; i < 10; i++) log.add('info', `line ${i}`);
  expect(log.find(/from (.*)/)).toBe('/a/libggml-cpu-zen4.so');
});
