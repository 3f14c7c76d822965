import { setTimeout as delay } from 'node:timers/promises';
import { now } from '../../system/clock.ts';

/** Lets so many requests through at once, and none while the server has asked for a pause. */
export function createGate(most: number) {
  let inside = 0;
  let opensAt = 0;
  const waiting: (() => void)[] = [];

  async function enter(signal: AbortSignal): Promise<void> {
    if (inside >= most) await turn(signal);
    else inside++;
    try {
      // A pause may have become longer meanwhile.
      for (let pause = opensAt - now(); pause > 0; pause = opensAt - now()) await sleep(pause, signal);
    } catch (error) {
      leave();
      throw error;
    }
  }

  /** Waits to be let in by one that leaves, who leaves its place behind. */
  function turn(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const letIn = () => {
        signal.removeEventListener('abort', giveUp);
        resolve();
      };
      const giveUp = () => {
        waiting.splice(waiting.indexOf(letIn), 1);
        reject(signal.reason);
      };
      waiting.push(letIn);
      signal.addEventListener('abort', giveUp, { once: true });
    });
  }

  function leave(): void {
    const next = waiting.shift();
    if (next) next();
    else inside--;
  }

  return {
    async pass<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
      signal.throwIfAborted();
      await enter(signal);
      try {
        return await work();
      } finally {
        leave();
      }
    },
    /** Nobody is let in for so long: a limit that one request met holds for all. */
    pause(milliseconds: number): void {
      opensAt = Math.max(opensAt, now() + milliseconds);
    },
  };
}

/** Rejects with the signal's own reason when it is not to be waited for any longer. */
export async function sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
  await delay(milliseconds, undefined, { signal }).catch((error: unknown) => {
    throw signal.aborted ? signal.reason : error;
  });
}
