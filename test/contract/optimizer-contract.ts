import { describe, expect, test } from 'vitest';
import { type Candidate, candidateId } from '../../src/core/candidate.ts';
import { canonicalJson, type Json } from '../../src/core/json.ts';
import type { LmRequest, LmResponse } from '../../src/core/lm.ts';
import type { Optimizer } from '../../src/core/optimizer.ts';
import { prepare } from '../../src/core/program.ts';
import { type Problem, problem } from '../support/laboratory.ts';
import { measuredOnTest, type Observed, observe } from '../support/laboratory-run.ts';
import { markerOf } from '../support/laboratory-task.ts';
import { writer } from '../support/laboratory-writer.ts';

/** What every prompt optimizer promises, whatever its algorithm. `make` makes one with settings small enough for a test. */
export function optimizerContract(name: string, make: () => Optimizer): void {
  describe(`${name} keeps the promises of an optimizer:`, () => {
    // Instructions and demos both help here, so that whatever an optimizer changes can be seen.
    const task = problem({ helps: 'both' });
    // Two calls for an example: who takes an example for a call spends too much.
    const pair = problem({ helps: 'both', predictors: 2 });
    const usual = once(() => observe(make(), task));
    const compared = once(async () => ({
      before: await measuredOnTest(task, task.start),
      after: await measuredOnTest(task, (await usual()).optimized.candidate),
    }));
    const onPair = once(() => observe(make(), pair));
    const withoutVal = once(() => observe(make(), { ...task, val: [] }));

    test('what it finds reaches the model as another prompt', async () => {
      const { before, after } = await compared();
      expect(framesOf(after.requests)).not.toEqual(framesOf(before.requests));
    });

    test('what it finds scores higher than the start on rows that it never saw', async () => {
      const { before, after } = await compared();
      expect(after.mean).toBeGreaterThan(before.mean);
    });

    test('what it finds was tried, or is the start', async () => {
      expectResult(await usual());
    });

    test('scores are from 0 to 1', async () => {
      const scores = (await usual()).optimized.trials.map(({ score }) => score ?? 0);
      expect(scores.filter((score) => !(score >= 0 && score <= 1))).toEqual([]);
    });

    test('a candidate with a score was asked with its own prompt', async () => {
      const sent = framesOf((await usual()).requests.student);
      const scored = (await usual()).optimized.trials.filter(({ score }) => score !== null);
      const own = await Promise.all(scored.map(({ candidate }) => framesWith(task, candidate)));
      expect(own.flat().filter((frame) => !sent.has(frame))).toEqual([]);
    });

    test('details are plain JSON', async () => {
      const { details = {} } = (await usual()).optimized;
      expect(JSON.parse(canonicalJson(details))).toEqual(details);
    });

    for (const [place, given, from] of [
      ['where nothing helps', problem({ helps: 'nothing' }), 'start'],
      ['from a start that nothing beats', task, 'best'],
    ] as const) {
      const observed = once(() => observe(make(), given, { start: given[from] }));

      test(`${place}, the start itself comes back`, async () => {
        const { start, optimized } = await observed();
        expect(candidateId(optimized.candidate)).toBe(candidateId(start));
      });

      test(`${place}, a notice says that the start is kept`, async () => {
        const { notices } = await observed();
        expect(notices.map(({ code }) => code)).toContain('start-kept');
      });
    }

    test('equal seeds make equal requests and trials', async () => {
      expect(doneBy(await observe(make(), task))).toEqual(doneBy(await usual()));
    });

    test('another seed makes other requests or trials', async () => {
      expect(doneBy(await observe(make(), task, { seed: 1 }))).not.toEqual(doneBy(await usual()));
    });

    for (const maxCalls of [0, 1, 9, 33, 40, 100])
      test(`a budget of ${maxCalls} calls is kept, and there is a result`, async () => {
        expectResult(await observe(make(), pair, { maxCalls }));
      });

    test('a notice says that the budget ends the search, and only then', async () => {
      const says = ({ notices }: Observed) => notices.some(({ code }) => code === 'budget-ends-search');
      const { requests } = await onPair();
      const needed = requests.student.length + requests.promptModel.length;
      const ample = await observe(make(), pair, { maxCalls: 10 * needed });
      const half = await observe(make(), pair, { maxCalls: Math.floor(needed / 2) });
      expect([says(ample), says(half)]).toEqual([false, needed > 0]);
    });

    test('a second run with the answers of the first makes no call, and ends the same', async () => {
      const memory = new Map<string, LmResponse>();
      const first = await observe(make(), task, { memory });
      const second = await observe(make(), task, { memory });
      expect(second.requests).toEqual({ student: [], promptModel: [] });
      expect(second.optimized).toEqual(first.optimized);
    });

    test('a start and examples that nobody can change are no hindrance', async () => {
      const frozen = deepFreeze(problem({ helps: 'both' }));
      expect(doneBy(await observe(make(), frozen))).toEqual(doneBy(await usual()));
    });

    test('no model is shown a val row but as the question, nor a test row at all', async () => {
      const { student, promptModel } = (await usual()).requests;
      const [val, sealed] = [task.val, task.test].map((examples) => examples.map(markerOf));
      const frames = student.map(({ prompt: { system, turns } }) => ({ system, turns }));
      expect(shown(val!, [...frames, ...promptModel.map(({ prompt }) => prompt)])).toEqual([]);
      expect(shown(sealed!, [...student, ...promptModel])).toEqual([]);
    });

    test('without train rows there is a result', async () => {
      expectResult(await observe(make(), { ...task, train: [] }));
    });

    test('without val rows there is a result', async () => {
      expectResult(await withoutVal());
    });

    test('no row is asked with itself among the demos, not even where train serves as val', async () => {
      const asked = [await usual(), await withoutVal()].flatMap(({ requests }) => requests.student);
      const own = asked.filter(({ prompt: { turns, user } }) => turns.some((turn) => turn.user === user));
      expect(own).toEqual([]);
    });

    test('every candidate is on record before it is measured', async () => {
      const known = new Set([candidateId(task.start)]);
      const unknown = (await usual()).history.filter(({ did, candidate }) => {
        if (did === 'propose') known.add(candidate);
        return !known.has(candidate);
      });
      expect(unknown).toEqual([]);
    });

    test('a prompt model whose answers cannot be read is no reason to fail', async () => {
      expectResult(await observe(make(), task, { promptModel: writer({ finds: 0, unreadable: 1 }) }));
    });
  });
}

/** Several promises look at one and the same run. */
function once<T>(work: () => Promise<T>): () => Promise<T> {
  let result: Promise<T> | undefined;
  return () => {
    result ??= work();
    return result;
  };
}

/** An optimizer may return what it tried, and what it began with. */
function expectResult({ start, optimized }: Observed): void {
  const possible = [start, ...optimized.trials.map(({ candidate }) => candidate)].map(candidateId);
  expect(possible).toContain(candidateId(optimized.candidate));
}

/** Everything that a seed decides. */
const doneBy = ({ optimized, notices, requests }: Observed) => ({
  returned: candidateId(optimized.candidate),
  details: optimized.details,
  notices,
  trials: optimized.trials.map(({ candidate, ...rest }) => ({ ...rest, candidate: candidateId(candidate) })),
  requests,
});

// `as`, here and below: frames and requests are plain data.
const textOf = (value: unknown): string => canonicalJson(value as Json);

const framesOf = (requests: readonly LmRequest[]): ReadonlySet<string> =>
  new Set(requests.map(({ prompt: { system, turns } }) => textOf({ system, turns })));

/** What the val rows are asked behind by a candidate with one predictor: the same for all, or for each row its own. */
async function framesWith({ structure, student, val }: Problem, candidate: Candidate): Promise<string[]> {
  const { embed } = student().weights;
  const program = prepare(structure, candidate, {}, (_, texts) => embed(texts));
  const frames = val.map(async ({ inputs }) => {
    const nearest = program.nearest('predict', inputs);
    const { prompt } = program.request('predict', inputs, nearest ? await nearest : undefined);
    return textOf({ system: prompt.system, turns: prompt.turns });
  });
  return [...new Set(await Promise.all(frames))];
}

const shown = (markers: readonly string[], texts: readonly unknown[]): string[] => {
  const all = texts.map(textOf).join('\n');
  return markers.filter((marker) => all.includes(marker));
};

/** The problem with everything that is data made unchangeable; a write throws then. */
function deepFreeze(given: Problem): Problem {
  for (const part of [given.start, given.train, given.val]) freeze(part);
  return given;
}

function freeze(value: unknown): void {
  if (typeof value !== 'object' || value === null) return;
  Object.freeze(value);
  for (const item of Object.values(value)) freeze(item);
}
