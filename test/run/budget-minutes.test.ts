import { expect, test } from 'vitest';
import { WorldError } from '../../src/core/errors.ts';
import type { RunEvent } from '../../src/core/event.ts';
import type { LmRequest } from '../../src/core/lm.ts';
import type { Store } from '../../src/core/store.ts';
import { budgetRun } from '../support/budget-run.ts';
import { ownStore } from '../support/own-store.ts';
import { student } from '../support/parity-task.ts';
import type { ScriptedModel } from '../support/scripted-model.ts';

const skill = ({ prompt, model }: LmRequest) => 3 + Math.min(4, prompt.turns.length) + (model.adapter ? 2 : 0);

/** A student that takes so many seconds for an answer, by the clock that comes with it; its host dies at the call of this number. */
function slow(seconds: number, deathAt = Number.POSITIVE_INFINITY) {
  const inner = student(skill);
  let time = 0;
  let calls = 0;
  const model: ScriptedModel = {
    ...inner,
    generate(request, options) {
      time += 1000 * seconds;
      if (++calls === deathAt) throw new WorldError('host-died', 'The host died.', 'Start again.');
      return inner.generate(request, options);
    },
  };
  return { model, now: () => time };
}

const start = ({ model, now }: ReturnType<typeof slow>, store: Store, strategy = 'p', maxMinutes: number | null = 1) =>
  budgetRun(model, { now, store, strategy, maxMinutes }).run;

const ofType = (events: readonly RunEvent[], type: RunEvent['type']) => events.filter((event) => event.type === type);

/** The same events, whatever the order of their members. */
const textOf = (events: readonly RunEvent[]) => events.map((event) => JSON.stringify(event));

test('a search whose time is over ends with the best so far, and the record says that it cannot be reproduced from scratch', async () => {
  const store = ownStore();
  const { summary } = await start(slow(1), store);
  expect(ofType(store.events(summary.run), 'time-over')).toHaveLength(1);
  expect(summary.notices.map(({ code }) => code)).toEqual(
    expect.arrayContaining(['limit-in-minutes', 'budget-ends-search']),
  );
  expect(summary.reproducible).toBe('replay');
  expect(summary.budget?.minutes.spent).toBeGreaterThan(1);
  expect(summary.chosen.strategy).toBe('p');
  const { summary: free } = await start(slow(1), ownStore(), 'p', null);
  expect(free.reproducible).toBe('bytes');
  expect(summary.calls.requested).toBeLessThan(free.calls.requested);
});

test('time that suffices ends nothing', async () => {
  const store = ownStore();
  const { summary } = await start(slow(1), store, 'p', 100);
  const { summary: free } = await start(slow(1), ownStore(), 'p', null);
  expect(ofType(store.events(summary.run), 'time-over')).toEqual([]);
  expect(summary.calls.requested).toBe(free.calls.requested);
});

test('a resumed run whose time had been over goes on as if it were, however fast it is now', async () => {
  const undisturbed = await start(slow(1), ownStore(), 'p -> p');
  const store = ownStore();
  const full = new WorldError('disk-full', 'The disk is full.', 'Make room.');
  const dying: Store = {
    ...store,
    addEvent(run, index, event) {
      if (event.type === 'step-end') throw full;
      store.addEvent(run, index, event);
    },
  };
  const first = start(slow(1), dying, 'p -> p');
  await expect(first).rejects.toBe(full);
  expect(ofType(store.events(first.id), 'time-over')).toHaveLength(1);
  const { summary } = await start(slow(0), store, 'p -> p');
  expect(summary.digest).toBe(undisturbed.summary.digest);
  expect(summary.candidates).toEqual(undisturbed.summary.candidates);
});

test('a resumed run comes to where it was even when its time is over from the first moment, and ends there', async () => {
  const store = ownStore();
  const dying = budgetRun(slow(0, 70).model, { store, strategy: 'p', maxMinutes: 1 }).run;
  await expect(dying).rejects.toThrow('The host died.');
  const recorded = textOf(store.events(dying.id));
  expect(recorded.length).toBeGreaterThan(5);
  let looks = 0;
  const late = { model: slow(0).model, now: () => 1e9 * looks++ };
  const { summary } = await start(late, store);
  const events = textOf(store.events(summary.run));
  expect(events.slice(0, recorded.length)).toEqual(recorded);
  expect(events[recorded.length]).toContain('"time-over"');
});

test('active time is the sum over all starts', async () => {
  const inner = ownStore();
  const before = { number: 7, calls: 0, seconds: 61, endedBy: 'host-died' };
  const store: Store = { ...inner, starts: (run) => [before, ...inner.starts(run)] };
  const { summary } = await start(slow(0), store);
  const [over] = ofType(inner.events(summary.run), 'time-over');
  expect(over).toMatchObject({ look: 1 });
  expect(summary.candidates.at(-1)?.val?.mean).toBe(summary.candidates[0]?.val?.mean);
});

test('nothing is trained when the time is over', async () => {
  const store = ownStore();
  const { summary } = await start(slow(10), store, 'w');
  expect(ofType(store.events(summary.run), 'step-failed')).toMatchObject([{ code: 'budget-spent' }]);
  expect(ofType(store.events(summary.run), 'trained')).toEqual([]);
});
