import type { AdapterFile } from '../../core/lm.ts';
import type { WeightsContext } from './context.ts';
import { commonPiece, type Prefix } from './prefix.ts';
import { createQueue, type Group } from './queue.ts';
import type { Slot } from './slot.ts';
import type { Step, StepResult, Steps } from './steps.ts';

/** Work for a slot: it is put behind its prefix and then asks for one forward pass after the other. */
export interface Job<Result> {
  readonly adapter: AdapterFile | null;
  readonly prefix: Prefix;
  readonly signal: AbortSignal;
  steps(): Steps<Result>;
  /** Before the first pass, that of its prefix included: from here on it may be what brings the host down. */
  onStart(): void;
}

export interface Scheduler {
  /** Rejects with the signal's reason when the job is dropped; never for a reason that lies in its company. */
  run<Result>(job: Job<Result>): Promise<Result>;
  /** Does something between two rounds, when nothing else computes. What it throws is a native failure. */
  between<Result>(task: () => Promise<Result>): Promise<Result>;
}

export interface SchedulerOptions {
  /** The slots for these weights; may dispose others that are not in use. */
  contextFor(adapter: AdapterFile | null): Promise<WeightsContext>;
  /** Something native failed: every cache is suspect and the process should end. */
  onBroken(error: unknown): void;
}

/** A job on its way, its result type hidden inside. */
interface Ticket {
  readonly adapter: AdapterFile | null;
  readonly prefix: Prefix;
  readonly signal: AbortSignal;
  onStart(): void;
  start(): Row;
  fail(error: unknown): void;
}

/** A job in a slot. `step` is the forward pass it waits for; null when it has ended. */
interface Row {
  readonly step: Step | null;
  advance(result: StepResult): void;
  fail(error: unknown): void;
}

/**
 * Works in rounds, so that no answer depends on its company: slots are filled and cut back while nothing runs; every prompt is evaluated
 * alone; then all rows that need a single token go forward together, in slot order.
 */
export function createScheduler({ contextFor, onBroken }: SchedulerOptions): Scheduler {
  const queue = createQueue<Ticket>();
  const asides: (() => Promise<void>)[] = [];
  const running = new Map<Slot, { readonly row: Row; readonly signal: AbortSignal }>();
  let current: { readonly adapter: string | null; readonly context: WeightsContext } | null = null;
  let busy = false;

  async function serve(): Promise<void> {
    if (busy) return;
    busy = true;
    try {
      while (queue.isWaiting() || running.size > 0 || asides.length > 0) {
        await asides.shift()?.();
        await admit();
        await passAlone();
        await passTogether();
      }
    } catch (error) {
      onBroken(error);
    } finally {
      busy = false;
    }
  }

  async function admit(): Promise<void> {
    for (;;) {
      const group = queue.turn();
      if (!group || !(await switchTo(group))) return;
      const slot = freeSlot(group.prefix);
      if (!slot) return;
      const ticket = queue.take();
      if (ticket.signal.aborted) ticket.fail(ticket.signal.reason);
      else await seat(ticket, slot);
    }
  }

  /** Batches of different weights do not run at once: the slots have to be empty before they are changed. */
  async function switchTo(group: Group<Ticket>): Promise<boolean> {
    const adapter = group.adapter?.sha256 ?? null;
    if (current && current.adapter === adapter) return true;
    if (running.size > 0) return false;
    try {
      current = { adapter, context: await contextFor(group.adapter) };
      return true;
    } catch (error) {
      for (const ticket of queue.dropTurn()) ticket.fail(error);
      return false;
    }
  }

  function freeSlot(prefix: Prefix): Slot | undefined {
    const free = current!.context.slots.filter((slot) => !running.has(slot));
    const shared = (slot: Slot) => (slot.holds ? (commonPiece(prefix, slot.holds)?.ids.length ?? 0) : 0);
    const longest = Math.max(...free.map(shared));
    if (longest < prefix.ids.length) {
      const unused = free.find(({ holds }) => holds === null);
      if (unused) return unused;
    }
    return leastRecent(free.filter((slot) => shared(slot) === longest));
  }

  const uses = new Map<Slot, number>();
  let clock = 0;
  const leastRecent = (slots: readonly Slot[]): Slot | undefined =>
    [...slots].sort((a, b) => (uses.get(a) ?? 0) - (uses.get(b) ?? 0))[0];

  async function seat(ticket: Ticket, slot: Slot): Promise<void> {
    uses.set(slot, ++clock);
    ticket.onStart();
    const others = queue.turn()?.prefix.key === ticket.prefix.key;
    await current!.context.pass(1, () => slot.prepare(ticket.prefix, others));
    running.set(slot, { row: ticket.start(), signal: ticket.signal });
    await dismiss(slot);
  }

  async function passAlone(): Promise<void> {
    for (const [slot, { row }] of [...running]) {
      if (!row.step || row.step.tokens.length === 1) continue;
      const { step } = row;
      await slot.rewind(step);
      row.advance(await current!.context.pass(1, () => slot.perform(step)));
      await dismiss(slot);
    }
  }

  async function passTogether(): Promise<void> {
    const rows = [...running].filter(([, { row }]) => row.step?.tokens.length === 1);
    if (rows.length === 0) return;
    for (const [slot, { row }] of rows) await slot.rewind(row.step!);
    const performAll = () => Promise.all(rows.map(([slot, { row }]) => slot.perform(row.step!)));
    const results = await current!.context.pass(rows.length, performAll);
    for (const [index, [slot, { row }]] of rows.entries()) {
      row.advance(results[index]!);
      await dismiss(slot);
    }
  }

  /** Frees the slot when its row has ended or is not wanted any more. */
  async function dismiss(slot: Slot): Promise<void> {
    const { row, signal } = running.get(slot)!;
    if (row.step && !signal.aborted) return;
    if (row.step) row.fail(signal.reason);
    running.delete(slot);
    await slot.settle();
  }

  return {
    run: (job) =>
      new Promise((resolve, reject) => {
        queue.add(ticketFor(job, resolve, reject));
        void serve();
      }),
    between: (task) =>
      new Promise((resolve) => {
        asides.push(async () => resolve(await task()));
        void serve();
      }),
  };
}

function ticketFor<Result>(
  job: Job<Result>,
  resolve: (result: Result) => void,
  reject: (error: unknown) => void,
): Ticket {
  return { ...job, fail: reject, start: () => startRow(job.steps(), resolve, reject) };
}

function startRow<Result>(
  steps: Steps<Result>,
  resolve: (result: Result) => void,
  reject: (error: unknown) => void,
): Row {
  let step: Step | null = null;
  const go = (move: () => IteratorResult<Step, Result>) => {
    step = null;
    try {
      const { done, value } = move();
      if (done) resolve(value);
      else step = value;
    } catch (error) {
      reject(error);
    }
  };
  go(() => steps.next());
  return {
    get step() {
      return step;
    },
    advance: (result) => go(() => steps.next(result)),
    fail: reject,
  };
}
