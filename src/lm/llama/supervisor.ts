import { WorldError } from '../../core/errors.ts';
import type { Engine, MakeRoom } from '../../core/lm.ts';
import { createCallBook } from './call-book.ts';
import { type HostLink, type HostLinkEvents, openHostLink } from './host-link.ts';
import { createHostWear } from './host-wear.ts';
import { layoutOf, type OpenOrder, type Work, type WorkResult } from './protocol.ts';

/** A model host as one uses it: opened when needed, opened again when it dies, closed on request. */
export interface Supervisor {
  /** Opens the host at first; known from then on without opening it again, unless another layout is wanted. */
  engine(wanted?: Engine, neededTokens?: number, makeRoom?: MakeRoom): Promise<Engine>;
  /** The engine and its notices once the host was opened. */
  known(): Pick<HostLink, 'engine' | 'notices'> | null;
  /** Settles exactly once; rejects with the signal's reason, an InputError, a WorldError, or a HostKiller. */
  do(work: Work, signal?: AbortSignal): Promise<WorkResult>;
  /** Waits for the work in flight and resolves when the process is gone. */
  release(): Promise<void>;
}

export interface SupervisorOptions {
  readonly entry: URL;
  readonly order: Omit<OpenOrder, 'scratch' | 'earlier' | 'neededTokens'>;
  readonly patienceMs: number;
  readonly openingPatienceMs: number;
  /** Throws when the model file is not what it was. */
  beforeOpening(): Promise<void>;
  /** Throws when the files that the work names are not what it says. */
  beforeWork(work: Work): Promise<void>;
}

export function supervise(options: SupervisorOptions): Supervisor {
  const calls = createCallBook();
  const users = countUsers();
  let link: HostLink | null = null;
  let wear = createHostWear();
  let known: Pick<HostLink, 'engine' | 'notices'> | null = null;
  let earlier: Engine | null = null;
  let neededTokens = 0;
  let closing: Promise<void> | null = null;
  let makeRoom: MakeRoom = async () => {};

  const events: HostLinkEvents = {
    onStarted: calls.started,
    onMemory: (bytes) => wear.weighed(bytes),
    onDone(id, result) {
      wear.answered();
      calls.done(id, result);
      void pump();
    },
    onFailed(id, error) {
      calls.failed(id, error);
      void pump();
    },
    onDeath(death) {
      link = null;
      calls.mourn(death);
      void pump();
    },
  };

  /** Opens the host if it is closed; of several that ask at once one does it. */
  const open = shared(async (): Promise<void> => {
    if (link) return;
    await options.beforeOpening();
    const { entry, patienceMs, openingPatienceMs } = options;
    const order = { ...options.order, earlier, neededTokens };
    const fresh = await openHostLink({
      entry,
      order,
      patienceMs,
      openingPatienceMs,
      isBusy: () => calls.size() > 0,
      makeRoom,
      events,
    });
    if (known && !isSame(known.engine, fresh.engine)) {
      await fresh.end();
      throw engineChanged(known.engine, fresh.engine);
    }
    known = { engine: fresh.engine, notices: fresh.notices };
    earlier = fresh.engine;
    wear = createHostWear();
    link = fresh;
  });

  /** Called whenever something changed: sends what may be sent. */
  async function pump(): Promise<void> {
    if (calls.size() === 0) return link?.holdOpen(false);
    try {
      await open();
    } catch (error) {
      return calls.rejectAll(error);
    }
    // A host that died meanwhile has called for a pump of its own.
    if (!link) return;
    link.holdOpen(calls.size() > 0);
    sendTo(link);
    // What waits with nothing in flight needs a fresh process.
    if (calls.inFlight() === 0 && calls.size() > 0) await renew();
  }

  function sendTo(host: HostLink): void {
    for (const call of calls.sendable()) {
      // What comes after it waits too: it would keep the old process busy.
      if (!wear.isFor(call.work)) return;
      wear.take(call.work);
      call.state = 'sent';
      host.send(call.id, call.work);
    }
  }

  async function endLink(): Promise<void> {
    const last = link;
    link = null;
    await last?.end();
  }

  async function renew(): Promise<void> {
    await endLink();
    await pump();
  }

  async function use<Result>(task: () => Promise<Result>): Promise<Result> {
    while (closing) await closing;
    return users.during(task);
  }

  async function submit(work: Work, signal?: AbortSignal): Promise<WorkResult> {
    await options.beforeWork(work);
    signal?.throwIfAborted();
    const call = calls.add(work);
    const abort = () => {
      if (calls.abort(call, signal?.reason)) link?.drop(call.id);
      void pump();
    };
    signal?.addEventListener('abort', abort, { once: true });
    void pump();
    return call.promise.finally(() => signal?.removeEventListener('abort', abort));
  }

  function release(): Promise<void> {
    closing ??= users
      .gone()
      .then(endLink)
      .finally(() => {
        closing = null;
      });
    return closing;
  }

  /** From the next opening on the layout is that of this engine. */
  async function changeLayout(wanted: Engine): Promise<void> {
    await release();
    known = null;
    earlier = wanted;
  }

  /** A context that is too small for the work ahead is given up for one that is not, unless its size was asked for. */
  async function makeRoomFor(tokens: number): Promise<void> {
    if (tokens <= neededTokens) return;
    neededTokens = tokens;
    if (!known || known.engine.contextTokens >= tokens || options.order.wishes.contextTokens !== undefined) return;
    await release();
    known = null;
    earlier = null;
  }

  return {
    async engine(wanted, tokens = 0, room = makeRoom) {
      makeRoom = room;
      if (!wanted) await makeRoomFor(tokens);
      else if (!(known && hasLayoutOf(known.engine, wanted))) await changeLayout(wanted);
      if (!known) await use(open);
      void pump();
      return known!.engine;
    },
    known: () => known,
    do: (work, signal) => use(() => submit(work, signal)),
    release,
  };
}

/** A task that runs once at a time: who asks while it runs gets the same promise. */
function shared(task: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | null = null;
  return () => {
    running ??= task().finally(() => {
      running = null;
    });
    return running;
  };
}

/** Counts who is at it, and tells when nobody is. */
function countUsers() {
  let count = 0;
  const waiting: (() => void)[] = [];
  return {
    async during<Result>(task: () => Promise<Result>): Promise<Result> {
      count++;
      try {
        return await task();
      } finally {
        count--;
        if (count === 0) for (const wake of waiting.splice(0)) wake();
      }
    },
    gone: () => new Promise<void>((resolve) => (count === 0 ? resolve() : waiting.push(resolve))),
  };
}

const hasLayoutOf = (a: Engine, b: Engine): boolean => JSON.stringify(layoutOf(a)) === JSON.stringify(layoutOf(b));

const isSame = (a: Engine, b: Engine): boolean => inWords(a) === inWords(b);

/** All of an engine but `reproducible`, which follows from the rest. */
const inWords = ({ reproducible: _, ...engine }: Engine): string =>
  Object.entries(engine)
    .map(([key, value]) => `${key} ${value}`)
    .sort()
    .join(', ');

const engineChanged = (before: Engine, after: Engine): WorldError =>
  new WorldError(
    'engine-changed',
    `The model host came back as another engine, whose answers may differ. Before: ${inWords(before)}. Now: ${inWords(after)}.`,
    'Packages or drivers changed while the run was going on: run again, and it will be seen as the new engine.',
  );
