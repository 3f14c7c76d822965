import { WorldError } from '../../core/errors.ts';
import { type Deferred, deferred } from './deferred.ts';
import type { Death } from './host-link.ts';
import type { Work, WorkResult } from './protocol.ts';

/** Work that brought the host down, was repeated alone, and brought it down again. */
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
  /** The last of the hosts that died while they worked on it; such a call is repeated once, alone. */
  death: Death | null;
  /** It died alone too. The verdict waits for an answer to any other call: a host that does nothing but die is not the calls' fault. */
  isCulprit: boolean;
}

// Several were tried alone by then, and none of them answered.
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

  function convict(): void {
    for (const { id, death, isCulprit } of [...calls.values()])
      if (isCulprit && death) settle(id)?.reject(new HostKiller(death));
  }

  /** With nobody left whose answer could clear the culprits. */
  function convictIfAlone(): void {
    if ([...calls.values()].every(({ isCulprit }) => isCulprit)) convict();
  }

  function answered(id: number): Call | undefined {
    barrenDeaths = 0;
    const call = settle(id);
    convict();
    return call;
  }

  return {
    size: () => calls.size,
    inFlight,
    rejectAll,

    add(work: Work): Call {
      const call: Call = {
        ...deferred<WorkResult>(),
        id: nextId++,
        work,
        state: 'waiting',
        death: null,
        isCulprit: false,
      };
      calls.set(call.id, call);
      return call;
    },

    /** All that wait, oldest first; but while there are suspects, one of them and nothing else. */
    sendable(): Call[] {
      const all = [...calls.values()].filter(({ isCulprit }) => !isCulprit);
      const suspect = all.find(({ death }) => death !== null);
      if (suspect) return inFlight() === 0 ? [suspect] : [];
      return all.filter(({ state }) => state === 'waiting');
    },

    started(id: number): void {
      const call = calls.get(id);
      if (call?.state === 'sent') call.state = 'started';
    },

    done(id: number, result: WorkResult): void {
      answered(id)?.resolve(result);
    },

    failed(id: number, error: unknown): void {
      answered(id)?.reject(error);
    },

    /** A call that is not wanted any more; whether a host has heard of it. */
    abort(call: Call, reason: unknown): boolean {
      settle(call.id)?.reject(reason);
      convictIfAlone();
      return call.state !== 'waiting';
    },

    /** Puts back what a dead host was given: what it had started is repeated alone, and what killed it alone is the culprit. */
    mourn(death: Death): void {
      barrenDeaths++;
      for (const call of calls.values()) {
        if (call.state === 'started') {
          call.isCulprit = call.death !== null;
          call.death = death;
        }
        call.state = 'waiting';
      }
      if (barrenDeaths >= deathsInARow) {
        barrenDeaths = 0;
        rejectAll(keepsDying(death));
      } else convictIfAlone();
    },
  };
}

const keepsDying = ({ message }: Death): WorldError =>
  new WorldError(
    'host-keeps-dying',
    `The model host died ${deathsInARow} times in a row without an answer, the last time like this: ${message}`,
    'Check memory and the model file; then run again: what was answered is kept.',
  );
