// A model host without a model: what it does with a request is written in the user text: a word, its argument (a `path` is a marker file), and how long it is
// silent before the answer.
import { appendFileSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Engine } from '../../src/core/lm.ts';
import type { FromHost, OpenOrder, ToHost, Work, WorkResult } from '../../src/lm/llama/protocol.ts';
import { hostDescriptor } from '../../src/system/message-channel.ts';
import { parentProcess } from '../../src/system/parent-process.ts';

const parent = parentProcess();
const tell = (message: FromHost): void => parent.send(message);
const write = (...bytes: number[]): void => void writeSync(hostDescriptor, Buffer.from(bytes));

const dropped: number[] = [];
// `!`: a host is told to open before anything else.
let order: OpenOrder = null!;

const engine: Engine = {
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

function open({ gguf, earlier }: OpenOrder): void {
  const error = { kind: 'input', code: 'device-missing', messages: ['No such device.'], hint: 'Use "cpu".' } as const;
  if (gguf.includes('refused')) tell({ type: 'not-opened', error });
  else if (gguf.includes('aborts')) {
    process.stderr.write('GGML_ASSERT(tensor != NULL) failed\n');
    process.abort();
  } else if (gguf.includes('garbled')) write(0, 0, 0, 8, 1, 2, 3, 4);
  else if (!gguf.includes('silent')) {
    const version = gguf.includes('updated') && existsSync(`${gguf}.updated`) ? '2' : '1';
    const { threads } = earlier ?? engine;
    const device = gguf.includes('gpu') ? 'cuda: a card' : 'cpu';
    const notices = [{ code: 'fake', message: 'Nothing is real.' }];
    tell({ type: 'opened', engine: { ...engine, device, version, threads }, notices });
  }
}

// Requests that get no answer.
const unanswered = ['hang', 'announce-and-hang', 'fail'];

const announce = (passMs: string) => tell({ type: 'progress', memoryBytes: 0, passMs: Number(passMs) });

/** A card of 10 GB that hosts share: each has a file that says how much it took. `gpu-4` in a model's name: it needs 4. */
const card = {
  folder: () => join(dirname(order.gguf), 'card'),
  bytes: () => Number(/gpu-(\d+)/.exec(order.gguf)?.[1] ?? 0),
  free(): number {
    const taken = readdirSync(this.folder()).map((name) => Number(readFileSync(join(this.folder(), name), 'utf8')));
    return 10 - taken.reduce((sum, bytes) => sum + bytes, 0);
  },
  ask() {
    tell({ type: 'needs', need: { bytes: this.bytes(), freeBytes: this.free() } });
  },
  take() {
    if (this.bytes() > this.free()) process.stderr.write('CUDA error: out of memory\n');
    if (this.bytes() > this.free()) process.abort();
    writeFileSync(join(this.folder(), String(process.pid)), String(this.bytes()));
    open(order);
  },
  giveBack() {
    if (order.gguf.includes('gpu')) rmSync(join(this.folder(), String(process.pid)), { force: true });
  },
};

/** What it does before the answer with a request that begins with this word. */
const acts: Readonly<Record<string, (argument: string, id: number) => void>> = {
  crash: () => void process.kill(process.pid, 'SIGKILL'),
  'crash-once': (path) => {
    if (existsSync(path)) return;
    writeFileSync(path, '');
    process.kill(process.pid, 'SIGKILL');
  },
  'half-once': (path, id) => {
    if (existsSync(path)) return;
    writeFileSync(path, '');
    parent.send({ type: 'done', id });
  },
  double: (_, id) => tell({ type: 'done', id, result: answer('double') }),
  grow: (bytes) => tell({ type: 'progress', memoryBytes: Number(bytes), passMs: 0 }),
  // As a host does in a pass that should take so long.
  announce,
  'announce-and-hang': announce,
  rubbish: () => {
    const rubbish: Record<string, unknown> = { type: 'rubbish', size: 1n };
    parent.send(Object.assign(rubbish, { itself: rubbish }));
  },
  // As Node's own channel would have it, of eight bytes that are no message.
  raw: () => write(0, 0, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8),
  'raw-text': () => write(...Buffer.from('ggml_abort: out of memory\n')),
  // A header of ours, and a structured clone that breaks off.
  'raw-clone': () => write(...Buffer.from('b2b\n'), 0, 0, 0, 4, 0xff, 0x0f, 0x6f, 0x22),
  'raw-endless': () => write(...Buffer.from('b2b\n'), 0xff, 0xff, 0xff, 0xff),
  fail: (_, id) =>
    tell({ type: 'failed', id, error: { kind: 'defect', code: 'host-defect', messages: ['A defect.'], hint: '' } }),
};

function work(id: number, task: Work): void {
  const user = textOf(task);
  const [act = '', argument = '', silenceMs = '20'] = user.split(' ');
  appendFileSync(`${order.gguf}.starts`, `${user}\n`);
  tell({ type: 'started', id });
  acts[act]?.(argument, id);
  if (unanswered.includes(act)) return;
  const result = task.kind === 'encode' ? encoded() : answer(user);
  setTimeout(() => tell({ type: 'done', id, result }), Number(silenceMs));
}

function textOf(task: Work): string {
  if (task.kind === 'encode') return task.rows[0]!.prompt.user;
  return task.kind === 'generate' ? task.request.prompt.user : '';
}

const encoded = (): WorkResult => ({ kind: 'encode', rows: [{ promptIds: [process.pid], completionIds: dropped }] });

const answer = (user: string): WorkResult => ({
  kind: 'generate',
  response: {
    failure: null,
    pieces: [user, String(process.pid), JSON.stringify(order.earlier)],
    choices: [null, null, null],
    constraint: { forks: 0, overruled: 0 },
    completionIds: [0],
    usage: { prompt: 1, cachedPrompt: 0, completion: 1 },
  },
});

parent.onMessage((received) => {
  // `as`: the parent is our own code.
  const message = received as ToHost;
  if (message.type === 'work') work(message.id, message.work);
  else if (message.type === 'drop') dropped.push(message.id);
  else if (message.type === 'take') card.take();
  else {
    order = message.order;
    if (order.gguf.includes('gpu')) card.ask();
    else open(order);
  }
});
parent.onEnd(() => {
  card.giveBack();
  rmSync(order.scratch, { recursive: true });
  process.exit(0);
});
