import { WorldError } from '../../core/errors.ts';
import type { Engine } from '../../core/lm.ts';
import type { Notice } from '../../core/notice.ts';
import { type Deferred, deferred } from './deferred.ts';
import { type Death, type HostLink, openHostLink } from './host-link.ts';
import type { OpenOrder, Work, WorkResult } from './protocol.ts';

/** Work that brought the host down in company twice and then alone. */
export class HostKiller extends Error {
  override readonly name = 'HostKiller';
  readonly death: Death;

  constructor(death: Death) {
    super(death.message);
    this.death = death;
  }
}

/** A model host as one uses it: opened when needed, opened again when it dies, closed on request. */
export interface Supervisor {
  engine(): Promise<Engine>;
  notices(): readonly Notice[];
  /** Settles exactly once; rejects with the signal's reason, an InputError, a WorldError, or a HostKiller. */
  do(work: Work, signal?: AbortSignal): Promise<WorkResult>;
  /** Waits for the work in flight and resolves when the process is gone. */
  release(): Promise<void>;
}

export interface SupervisorOptions {
  readonly entry: URL;
  readonly order: Omit<OpenOrder, 'scratch'>;
  readonly patienceMs: number;
  /** Throws when the model file is not what it was. */
  beforeOpening(): Promise<void>;
  /** Throws when the files that the work names are not what it says. */
  beforeWork(work: Work): Promise<void>;
}

interface Call extends Deferred<WorkResult> {
  readonly id: number;
  readonly work: Work;
  /** How many hosts died while they worked on it. */
  deaths: number;
  state: 'waiting' | 'sent' | 'started';
}

// Adapters stay in memory as long as the model they were loaded onto.
const adaptersPerHost = 20;
// In company, in company, alone.
const deathsToSuspicion = 2;
// No request is to blame any more when the host does nothing but die: several were tried alone by then.
const deathsInARow = 6;

export function supervise({ entry, order, patienceMs, beforeOpening, beforeWork }: SupervisorOptions): Supervisor {
  const calls = new Map<number, Call>();
  const idle = idleSignal();
  let link: HostLink | null = null;
  let opening: Promise<void> | null = null;
  let closing: Promise<void> | null = null;
  let known: Pick<HostLink, 'engine' | 'notices'> | null = null;
  let adapters = new Map<string, string>();
  let nextId = 0;
  let barrenDeaths = 0;

  async function open(): Promise<void> {
    await beforeOpening();
    const earlier = known?.engine ?? order.earlier;
    const events = { onStarted, onDone, onFailed, onDeath };
    const opened = await openHostLink({
      entry,
      order: { ...order, earlier },
      patienceMs,
      isBusy: () => calls.size > 0,
      events,
    });
    adapters = new Map();
    if (known && !sameEngine(known.engine, opened.engine)) {
      await opened.end();
      throw engineChanged(known.engine, opened.engine);
    }
    known = { engine: opened.engine, notices: opened.notices };
    link = opened;
  }

  /** Opens the host if it is closed; of several callers one does it. */
  function opened(): Promise<void> {
    if (link) return Promise.resolve();
    opening ??= open().finally(() => {
      opening = null;
    });
    return opening;
  }

  async function pump(): Promise<void> {
    if (calls.size === 0) return link?.holdOpen(false);
    try {
      await opened();
    } catch (error) {
      for (const call of [...calls.values()]) settle(call.id)?.reject(error);
      return;
    }
    // A host that died in between calls for another pump itself.
    if (!link) return;
    link.holdOpen(calls.size > 0);
    for (const call of sendable()) send(link, call);
    if (inFlight() === 0 && calls.size > 0) await renew();
  }

  const inFlight = (): number => [...calls.values()].filter(({ state }) => state !== 'waiting').length;

  /** All that wait; but while there are suspects, one of them and nothing else. */
  function sendable(): Call[] {
    const all = [...calls.values()];
    const suspect = all.find(({ deaths }) => deaths >= deathsToSuspicion);
    if (suspect) return inFlight() === 0 ? [suspect] : [];
    const waiting = all.filter(({ state }) => state === 'waiting');
    const blocked = waiting.findIndex(({ work }) => !mayLoad(work));
    // What comes after a call that needs a new process waits with it: it would keep the old one busy.
    return blocked === -1 ? waiting : waiting.slice(0, blocked);
  }

  /** A new adapter needs a place; and a path stands for the content it had when it was first loaded. */
  function mayLoad(work: Work): boolean {
    if (work.kind === 'encode' || !work.adapter) return true;
    const { path, sha256 } = work.adapter;
    return adapters.get(path) === sha256 || (!adapters.has(path) && adapters.size < adaptersPerHost);
  }

  function send(to: HostLink, call: Call): void {
    const { work } = call;
    if (work.kind !== 'encode' && work.adapter) {
      if (!mayLoad(work)) return;
      adapters.set(work.adapter.path, work.adapter.sha256);
    }
    call.state = 'sent';
    to.send(call.id, work);
  }

  /** What still waits with nothing in flight needs a process without old adapters. */
  async function renew(): Promise<void> {
    const worn = link;
    link = null;
    await worn?.end();
    await pump();
  }

  function settle(id: number): Call | undefined {
    const call = calls.get(id);
    calls.delete(id);
    return call;
  }

  function onStarted(id: number): void {
    const call = calls.get(id);
    if (call) call.state = 'started';
  }

  function onDone(id: number, result: WorkResult): void {
    barrenDeaths = 0;
    settle(id)?.resolve(result);
    void pump();
  }

  function onFailed(id: number, error: Error): void {
    barrenDeaths = 0;
    settle(id)?.reject(error);
    void pump();
  }

  function onDeath(death: Death): void {
    link = null;
    barrenDeaths++;
    for (const call of [...calls.values()]) {
      if (call.state === 'started') call.deaths++;
      call.state = 'waiting';
      if (call.deaths > deathsToSuspicion) settle(call.id)?.reject(new HostKiller(death));
    }
    if (barrenDeaths >= deathsInARow) giveUp(death);
    void pump();
  }

  function giveUp(death: Death): void {
    barrenDeaths = 0;
    const message = `The model host died ${deathsInARow} times in a row without an answer, the last time like this: ${death.message}`;
    const error = new WorldError(
      'host-keeps-dying',
      message,
      'Check memory and the model file; then run again: what was answered is kept.',
    );
    for (const call of [...calls.values()]) settle(call.id)?.reject(error);
  }

  async function use<Result>(task: () => Promise<Result>): Promise<Result> {
    while (closing) await closing;
    idle.enter();
    try {
      return await task();
    } finally {
      idle.leave();
    }
  }

  async function submit(work: Work, signal?: AbortSignal): Promise<WorkResult> {
    await beforeWork(work);
    signal?.throwIfAborted();
    const call: Call = { ...deferred<WorkResult>(), id: nextId++, work, deaths: 0, state: 'waiting' };
    calls.set(call.id, call);
    const abort = () => {
      if (call.state !== 'waiting') link?.drop(call.id);
      settle(call.id)?.reject(signal?.reason);
      void pump();
    };
    signal?.addEventListener('abort', abort, { once: true });
    void pump();
    return call.promise.finally(() => signal?.removeEventListener('abort', abort));
  }

  async function close(): Promise<void> {
    await idle.reached();
    const last = link;
    link = null;
    await last?.end();
  }

  return {
    async engine() {
      if (!known) await use(opened);
      void pump();
      return known!.engine;
    },
    notices: () => known?.notices ?? [],
    do: (work, signal) => use(() => submit(work, signal)),
    release() {
      closing ??= close().finally(() => {
        closing = null;
      });
      return closing;
    },
  };
}

/** Counts users and tells when there are none. */
function idleSignal() {
  let users = 0;
  const waiting: (() => void)[] = [];
  return {
    enter: () => void users++,
    leave() {
      users--;
      if (users === 0) for (const wake of waiting.splice(0)) wake();
    },
    reached: () => new Promise<void>((resolve) => (users === 0 ? resolve() : waiting.push(resolve))),
  };
}

const sameEngine = (a: Engine, b: Engine): boolean => describe(a) === describe(b);

const describe = ({ reproducible: _, ...engine }: Engine): string =>
  Object.entries(engine)
    .map(([key, value]) => `${key} ${value}`)
    .sort()
    .join(', ');

const engineChanged = (before: Engine, after: Engine): WorldError =>
  new WorldError(
    'engine-changed',
    `The model host came back as another engine, whose answers may differ. Before: ${describe(before)}. Now: ${describe(after)}.`,
    'Packages or drivers changed while the run was going on: run again, and it will be seen as the new engine.',
  );
