// A model host without a model: what it does with a request is written in the user text. `path` arguments are marker files.
import { appendFileSync, existsSync, rmSync, writeFileSync } from 'node:fs';

const dropped = [];
let earlier;
let scratch;
let gguf;

const engine = {
  name: 'fake',
  version: '1',
  method: 1,
  build: 'test',
  backend: 'none',
  device: 'cpu',
  threads: 1,
  sequences: 8,
  batchTokens: 512,
  contextTokens: 512,
  reproducible: 'bytes',
};

function open(order) {
  ({ earlier, scratch, gguf } = order);
  if (order.gguf.includes('refused')) {
    const error = { kind: 'input', code: 'device-missing', messages: ['No such device.'], hint: 'Use "cpu".' };
    return process.send({ type: 'not-opened', error });
  }
  if (order.gguf.includes('aborts')) {
    process.stderr.write('GGML_ASSERT(tensor != NULL) failed\n');
    return process.abort();
  }
  if (order.gguf.includes('silent')) return;
  const version = order.gguf.includes('updated') && existsSync(`${order.gguf}.updated`) ? '2' : '1';
  const { threads } = earlier ?? engine;
  process.send({
    type: 'opened',
    engine: { ...engine, version, threads },
    notices: [{ code: 'fake', message: 'Nothing is real.' }],
  });
}

const acts = {
  crash: () => process.kill(process.pid, 'SIGKILL'),
  'crash-once': (path) => {
    if (existsSync(path)) return;
    writeFileSync(path, '');
    process.kill(process.pid, 'SIGKILL');
  },
  'half-once': (path, id) => {
    if (existsSync(path)) return;
    writeFileSync(path, '');
    process.send({ type: 'done', id });
  },
  double: (_, id) => void process.send({ type: 'done', id, result: resultOf('generate', 'double') }),
  grow: (bytes) => void process.send({ type: 'progress', memoryBytes: Number(bytes) }),
  hang: () => 'no answer',
  rubbish: () => {
    const rubbish = { type: 'rubbish', size: 1n };
    process.send(Object.assign(rubbish, { itself: rubbish }));
  },
  fail: () => 'failed',
};

function work(id, { kind, request, rows }) {
  const user = kind === 'encode' ? rows[0].prompt.user : request.prompt.user;
  const [act, path] = user.split(' ');
  appendFileSync(`${gguf}.starts`, `${user}\n`);
  process.send({ type: 'started', id });
  const outcome = acts[act]?.(path, id);
  const error = { kind: 'defect', code: 'host-defect', messages: ['A defect.'], hint: '' };
  if (outcome === 'failed') return process.send({ type: 'failed', id, error });
  if (outcome === 'no answer') return;
  setTimeout(() => process.send({ type: 'done', id, result: resultOf(kind, user) }), 20);
}

function resultOf(kind, user) {
  if (kind === 'encode') return { kind, rows: [{ promptIds: [process.pid], completionIds: dropped }] };
  const usage = { prompt: 1, cachedPrompt: 0, completion: 1 };
  const pieces = [user, String(process.pid), JSON.stringify(earlier)];
  const constraint = { forks: 0, overruled: 0 };
  return {
    kind,
    response: { failure: null, pieces, choices: [null, null, null], constraint, completionIds: [0], usage },
  };
}

process.on('message', ({ type, id, order, work: task }) => {
  if (type === 'open') open(order);
  else if (type === 'work') work(id, task);
  else dropped.push(id);
});
process.on('disconnect', () => {
  rmSync(scratch, { recursive: true });
  process.exit(0);
});
