import { WorldError } from '../../core/errors.ts';
import { type Deferred, deferred } from './deferred.ts';
import type { Death } from './host-link.ts';
import type { Work, WorkResult } from './protocol.ts';

/** Work that brought the host down in company twice and then alone. */
export class HostKiller extends Error {
  override readonly name = 'HostKiller';
  readonly death: Death;

  constructor(death: Death) {
    super(death.message);
    this.death = death;
  }
}

/** Work that is not answered yet. */
export interface Call extends Deferred<WorkResult> {
  readonly id: number;
  readonly work: Work;
  state: 'waiting' | 'sent' | 'started';
  /** How many hosts died while they worked on it. */
  deaths: number;
}

// Twice in company; the third time it is alone.
const deathsToSuspicion = 2;
// No request is to blame any more when the host does nothing but die: several were tried alone by then.
const deathsInARow = 6;

/** The calls that are not answered yet, who of them may be sent now, and who is to blame when a host dies. */
export function createCallBook() {
  const calls = new Map<number, Call>();
  let nextId = 0;
  let barrenDeaths = 0;

  const inFlight = (): number => [...calls.values()].filter(({ state }) => state !== 'waiting').length;

  function settle(id: number): Call | undefined {
    const call = calls.get(id);
    calls.delete(id);
    return call;
  }

  function rejectAll(error: unknown): void {
    for (const id of [...calls.keys()]) settle(id)?.reject(error);
  }

  return {
    size: () => calls.size,
    inFlight,
    rejectAll,

    add(work: Work): Call {
      const call: Call = { ...deferred<WorkResult>(), id: nextId++, work, state: 'waiting', deaths: 0 };
      calls.set(call.id, call);
      return call;
    },

    /** All that wait, oldest first; but while there are suspects, one of them and nothing else. */
    sendable(): Call[] {
      const all = [...calls.values()];
      const suspect = all.find(({ deaths }) => deaths >= deathsToSuspicion);
      if (suspect) return inFlight() === 0 ? [suspect] : [];
      return all.filter(({ state }) => state === 'waiting');
    },

    started(id: number): void {
      const call = calls.get(id);
      if (call) call.state = 'started';
    },

    done(id: number, result: WorkResult): void {
      barrenDeaths = 0;
      settle(id)?.resolve(result);
    },

    failed(id: number, error: unknown): void {
      barrenDeaths = 0;
      settle(id)?.reject(error);
    },

    /** A call that is not wanted any more; whether a host has heard of it. */
    abort(call: Call, reason: unknown): boolean {
      settle(call.id)?.reject(reason);
      return call.state !== 'waiting';
    },

    /** Puts back what a dead host was given, except what killed it alone. */
    mourn(death: Death): void {
      barrenDeaths++;
      for (const call of [...calls.values()]) {
        if (call.state === 'started') call.deaths++;
        call.state = 'waiting';
        if (call.deaths > deathsToSuspicion) settle(call.id)?.reject(new HostKiller(death));
      }
      if (barrenDeaths < deathsInARow) return;
      barrenDeaths = 0;
      rejectAll(keepsDying(death));
    },
  };
}

const keepsDying = ({ message }: Death): WorldError =>
  new WorldError(
    'host-keeps-dying',
    `The model host died ${deathsInARow} times in a row without an answer, the last time like this: ${message}`,
    'Check memory and the model file; then run again: what was answered is kept.',
  );
