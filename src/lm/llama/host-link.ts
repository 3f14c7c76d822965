import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { WorldError } from '../../core/errors.ts';
import type { Engine, MakeRoom, MemoryNeed } from '../../core/lm.ts';
import type { Notice } from '../../core/notice.ts';
import { offlineEnvironment } from '../../system/environment.ts';
import { type Ending, type HostProcess, startHostProcess } from '../../system/host-process.ts';
import { reportNetworkAttempt } from '../../system/network.ts';
import { fromCrossing } from './crossing-error.ts';
import { deferred } from './deferred.ts';
import { type FromHost, isFromHost, type OpenOrder, type ToHost, type Work, type WorkResult } from './protocol.ts';
import { startWatchdog } from './watchdog.ts';

/** One life of a host process, from its opening to its end. */
export interface HostLink {
  readonly engine: Engine;
  readonly notices: readonly Notice[];
  send(id: number, work: Work): void;
  drop(id: number): void;
  /** Whether our process waits for the host's; an idle host keeps nobody from ending. */
  holdOpen(hold: boolean): void;
  /** Ends the process and resolves when it is gone, with all it left. */
  end(): Promise<void>;
}

export interface HostLinkEvents {
  /** How much memory the process has now. */
  onMemory(bytes: number): void;
  onStarted(id: number): void;
  onDone(id: number, result: WorkResult): void;
  onFailed(id: number, error: Error): void;
  /** The process is gone and nobody asked for that. */
  onDeath(death: Death): void;
}

export interface Death {
  readonly kind: 'crash' | 'timeout';
  readonly message: string;
}

export interface HostLinkOptions {
  readonly entry: URL;
  readonly order: Omit<OpenOrder, 'scratch'>;
  /** Without a sign of life for so long, while it has work, a host counts as hung; unless it said that its pass takes longer. */
  readonly patienceMs: number;
  /** The same for its opening: starting a process on a busy machine is silent for longer than computing is. */
  readonly openingPatienceMs: number;
  /** Whether it has work. */
  isBusy(): boolean;
  readonly makeRoom: MakeRoom;
  readonly events: HostLinkEvents;
}

const graceMs = 5000;

const env = {
  ...offlineEnvironment(),
  // `DEBUG` would send llama.cpp's log past our logger, to stderr.
  NODE_LLAMA_CPP_DEBUG: 'false',
  // glibc gives every thread of the pool an arena and returns little of it: ten switches of adapters took a host of two sequences from 309
  // to 352 MB, with one arena from 281 to 294 (test/lm/memory.test.ts).
  MALLOC_ARENA_MAX: '1',
};

/** Starts a host and waits until its model is open; throws an InputError or a WorldError when that fails, with nothing left behind. */
export async function openHostLink(options: HostLinkOptions): Promise<HostLink> {
  const { entry, order, patienceMs, openingPatienceMs, isBusy, makeRoom, events } = options;
  const scratch = await mkdtemp(join(tmpdir(), 'better-together-'));
  const opening = deferred<FromHost & { type: 'opened' }>();
  const life = { opened: false, ending: false, over: false, broken: '' };
  const hungry = (): void => {
    if (!life.opened || isBusy()) stop('timeout');
  };
  let watch = startWatchdog(openingPatienceMs, hungry);
  let verdict: Death['kind'] = 'crash';

  const receive = (message: unknown): void => {
    // Its calls are on their way to the next host already, or it is not to be believed any more.
    if (life.over) return;
    watch.feed();
    // Not as JSON: what is no message of ours may be circular or hold numbers that JSON has not.
    if (isFromHost(message)) dispatch(message);
    else disbelieve(inspect(message, { breakLength: Number.POSITIVE_INFINITY }).slice(0, 200));
  };

  function disbelieve(sent: string): void {
    life.over = true;
    life.broken = `It sent ${sent}, which no host of ours sends.`;
    stop('crash');
  }

  function dispatch(message: FromHost): void {
    if (message.type === 'opened') opening.resolve(message);
    else if (message.type === 'needs') grant(message.need).catch(opening.reject);
    else if (message.type === 'not-opened') opening.reject(fromCrossing(message.error));
    else if (message.type === 'started') events.onStarted(message.id);
    else if (message.type === 'done') events.onDone(message.id, message.result);
    else if (message.type === 'failed') events.onFailed(message.id, fromCrossing(message.error));
    else if (message.type === 'progress') progressed(message);
    else if (message.type === 'network') reportNetworkAttempt(message.to);
    else if (message.type === 'broken') life.broken = message.message;
  }

  /** It waits for others as long as they need, which is no silence of its own. */
  async function grant(need: MemoryNeed): Promise<void> {
    watch.stop();
    await makeRoom(need);
    if (life.over) return;
    watch = startWatchdog(openingPatienceMs, hungry);
    host.send({ type: 'take' } satisfies ToHost);
  }

  function progressed({ memoryBytes, passMs }: FromHost & { type: 'progress' }): void {
    watch.announce(passMs);
    events.onMemory(memoryBytes);
  }

  const host: HostProcess = await startHostProcess({
    entry,
    env,
    onMessage: receive,
    onRubbish: (bytes) => disbelieve(`the bytes ${bytes.toString('hex')}`),
  });
  function stop(kind: Death['kind']): void {
    verdict = kind;
    host.kill();
  }

  const gone = host.ended.then(async (ending) => {
    watch.stop();
    life.over = true;
    await rm(scratch, { recursive: true, force: true }).catch(() => {});
    const message = obituary(ending, verdict, watch.limitMs(), life.broken);
    opening.reject(
      new WorldError('host-not-opened', `The model host could not be opened. ${message}`, openingHint(ending)),
    );
    if (life.opened && !life.ending) events.onDeath({ kind: verdict, message });
  });

  async function end(): Promise<void> {
    life.ending = true;
    await host.end(graceMs);
    await gone;
  }

  try {
    host.send({ type: 'open', order: { ...order, scratch } } satisfies ToHost);
    const { engine, notices } = await opening.promise;
    life.opened = true;
    watch.stop();
    watch = startWatchdog(patienceMs, hungry);
    return {
      engine,
      notices,
      send(id, work) {
        watch.feed();
        host.send({ type: 'work', id, work } satisfies ToHost);
      },
      drop: (id) => host.send({ type: 'drop', id } satisfies ToHost),
      holdOpen: host.holdOpen,
      end,
    };
  } catch (error) {
    await end();
    throw error;
  }
}

function obituary({ code, signal, stderr }: Ending, kind: Death['kind'], limitMs: number, broken: string): string {
  const how =
    kind === 'timeout'
      ? `It showed no progress for ${Math.round(limitMs / 100) / 10} s and was killed.`
      : `It ended ${signal ? `by ${signal}` : `with code ${code}`}.`;
  return [how, broken, stderr.trim() === '' ? '' : `It wrote:\n${stderr.trim()}`]
    .filter((part) => part !== '')
    .join('\n');
}

function openingHint({ signal }: Ending): string {
  return signal === 'SIGKILL'
    ? 'The system may have killed it for its memory use: free some, use a smaller quantisation, or fewer sequences and contextTokens. Then run again.'
    : 'The lines above say why. Check the file with its sha256, and run `npm install` again if native code is missing.';
}
