import { rmSync } from 'node:fs';
import type { MemoryNeed } from '../../core/lm.ts';
import { onNetworkAttempt, watchThisProcess } from '../../system/network.ts';
import { parentProcess } from '../../system/parent-process.ts';
import { toCrossing } from './crossing-error.ts';
import { type Host, openHost } from './host.ts';
import { createLogLines } from './log-lines.ts';
import type { FromHost, OpenOrder, ToHost, Work } from './protocol.ts';

// The process of one open model: started, spoken to and ended by its parent, and never there without it.

const parent = parentProcess();
const log = createLogLines();
const drops = new Map<number, AbortController>();
let host: Host | null = null;
let onTake: () => void = () => {};
let scratch: string | null = null;
let progress: { readonly passMs: number } | null = null;

const tell = (message: FromHost): void => {
  parent.send(message);
};

/** Every cache is suspect now; the parent repeats what was in flight in a new process. */
async function end(error: unknown): Promise<void> {
  const message = `${error instanceof Error ? (error.stack ?? error.message) : String(error)}${await log.quoted()}`;
  parent.send({ type: 'broken', message } satisfies FromHost, () => process.exit(1));
}

async function open(order: OpenOrder): Promise<void> {
  scratch = order.scratch;
  try {
    host = await openHost(order, log, { onProgress, onBroken: end, makeRoom });
    tell({ type: 'opened', engine: host.engine, notices: host.notices });
  } catch (error) {
    tell({ type: 'not-opened', error: toCrossing(error) });
  }
}

function makeRoom(need: MemoryNeed): Promise<void> {
  tell({ type: 'needs', need });
  return new Promise((resolve) => {
    onTake = resolve;
  });
}

const onProgress = (passMs = 0): void => {
  progress = { passMs };
};

async function work(id: number, task: Work): Promise<void> {
  const drop = new AbortController();
  drops.set(id, drop);
  try {
    const onStart = () => tell({ type: 'started', id });
    const result = await host!.do(task, { signal: drop.signal, onStart });
    tell({ type: 'done', id, result });
  } catch (error) {
    if (!drop.signal.aborted) tell({ type: 'failed', id, error: toCrossing(error) });
  } finally {
    drops.delete(id);
  }
}

watchThisProcess();
onNetworkAttempt((to) => tell({ type: 'network', to }));
parent.onMessage((received) => {
  // `as`: the parent is our own code, in the same version.
  const message = received as ToHost;
  if (message.type === 'open') void open(message.order);
  else if (message.type === 'take') onTake();
  else if (message.type === 'work') void work(message.id, message.work);
  else drops.get(message.id)?.abort();
});
// With its parent gone nobody else removes what it wrote. Exiting during a decode is clean (measured).
parent.onEnd(() => {
  if (scratch) rmSync(scratch, { recursive: true, force: true });
  process.exit(0);
});
process.on('uncaughtException', end);
process.on('unhandledRejection', end);

setInterval(() => {
  if (progress) tell({ type: 'progress', memoryBytes: process.memoryUsage.rss(), ...progress });
  progress = null;
}, 500);
