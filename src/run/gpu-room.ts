import type { LanguageModel, MakeRoom, MemoryNeed } from '../core/lm.ts';
import { whomToClose } from './whom-to-close.ts';

/** Who of a run's models stays open on a GPU. */
export interface GpuRoom {
  tenant(model: Pick<LanguageModel, 'release'>): Tenant;
  /** How often a model had to be closed for another one. */
  closings(): number;
}

/** A model's place in the room. */
export interface Tenant {
  /** Does something with the model; while it is being closed for another one, that waits. */
  during<Result>(task: () => Promise<Result>): Promise<Result>;
  /** What the model asks before it takes memory of the GPU. */
  readonly makeRoom: MakeRoom;
  release(): Promise<void>;
}

interface State {
  readonly model: Pick<LanguageModel, 'release'>;
  /** What it holds of the GPU by its estimate; null: it is closed, or computes elsewhere. */
  bytes: number | null;
  lastUse: number;
  running: number;
  /** How many more calls may begin. */
  callsLeft: number;
  /** Called when one of the two before has changed. */
  readonly waiting: (() => void)[];
}

/** Models open where they fit together. One that has to go may use up its turn first, because opening it again takes seconds. */
export function createGpuRoom(callsPerTurn: number): GpuRoom {
  const tenants: State[] = [];
  let clock = 0;
  let closings = 0;
  let moving: Promise<void> = Promise.resolve();

  const changed = (state: State) => new Promise<void>((resolve) => state.waiting.push(resolve));
  const tell = ({ waiting }: State): void => {
    for (const wake of waiting.splice(0)) wake();
  };

  async function during<Result>(state: State, task: () => Promise<Result>): Promise<Result> {
    while (state.callsLeft === 0) await changed(state);
    state.callsLeft--;
    state.running++;
    state.lastUse = ++clock;
    try {
      return await task();
    } finally {
      state.running--;
      tell(state);
    }
  }

  /** Who has an answer may ask the same model again within this turn of the event loop: then it is not idle. */
  async function untilIdle(state: State): Promise<void> {
    for (;;) {
      await new Promise(setImmediate);
      if (state.running === 0) return;
      await changed(state);
    }
  }

  async function close(state: State): Promise<void> {
    state.callsLeft = callsPerTurn;
    await untilIdle(state);
    state.callsLeft = 0;
    await release(state);
    closings++;
    state.callsLeft = Number.POSITIVE_INFINITY;
    tell(state);
  }

  async function release(state: State): Promise<void> {
    await state.model.release();
    state.bytes = null;
  }

  async function moveIn(state: State, need: MemoryNeed): Promise<void> {
    // Whoever asks is closed, also when its process has died.
    state.bytes = null;
    const open = tenants.flatMap((tenant) => {
      const { bytes, lastUse } = tenant;
      return bytes === null ? [] : [{ tenant, bytes, lastUse }];
    });
    for (const { tenant } of whomToClose(need, open)) await close(tenant);
    state.bytes = need.bytes;
  }

  return {
    closings: () => closings,
    tenant(model) {
      const state: State = {
        model,
        bytes: null,
        lastUse: 0,
        running: 0,
        callsLeft: Number.POSITIVE_INFINITY,
        waiting: [],
      };
      tenants.push(state);
      return {
        during: (task) => during(state, task),
        // One after the other: each sees what the one before has left.
        makeRoom(need) {
          const moved = moving.then(() => moveIn(state, need));
          moving = moved.catch(() => {});
          return moved;
        },
        release: () => release(state),
      };
    },
  };
}
