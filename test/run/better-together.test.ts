import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { WorldError } from '../../src/core/errors.ts';
import type { LiveEvent, RunEvent } from '../../src/core/event.ts';
import type { Metric } from '../../src/core/metric.ts';
import type { Optimizer } from '../../src/core/optimizer.ts';
import type { Store } from '../../src/core/store.ts';
import { exactMatch } from '../../src/evaluate/metrics.ts';
import { bootstrapFewShot } from '../../src/optimize/bootstrap-few-shot.ts';
import { bootstrapFinetune } from '../../src/optimize/bootstrap-finetune.ts';
import { labeledFewShot } from '../../src/optimize/labeled-few-shot.ts';
import { bootstrapFewShotWithRandomSearch } from '../../src/optimize/random-search/random-search.ts';
import { betterTogetherOver } from '../../src/run/better-together.ts';
import type { CompileOptions } from '../../src/run/compile-options.ts';
import { sqliteStore } from '../../src/store/sqlite-store.ts';
import { numbers, program, student } from '../support/parity-task.ts';
import type { ScriptedModel } from '../support/scripted-model.ts';
import { type ScriptedTrainer, scriptedTrainer } from '../support/scripted-trainer.ts';

let folder: string;
let store: Store;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'better-together-'));
  store = sqliteStore(join(folder, 'runs.sqlite'));
});

afterEach(() => {
  store.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Three right digits without demos, five with, eight with an adapter, nine with both. */
const learner = () =>
  student(({ model, prompt }) => {
    const demos = prompt.turns.length > 0;
    if (model.adapter === null) return demos ? 5 : 3;
    return demos ? 9 : 8;
  });

const data = { trainset: numbers(0, 40), valset: numbers(40, 80), testset: numbers(80, 120) };

const optimizers = () => ({
  p: bootstrapFewShotWithRandomSearch({ numCandidatePrograms: 2, maxLabeledDemos: 4 }) as Optimizer,
  w: bootstrapFinetune() as Optimizer,
});

/** Who listens for attempts to reach another machine. */
const networkListeners = new Set<(to: string) => void>();
const onNetworkAttempt = (listener: (to: string) => void) => {
  networkListeners.add(listener);
  return () => void networkListeners.delete(listener);
};

function start(
  model: ScriptedModel,
  options: Partial<CompileOptions<string>> & {
    metric?: Metric;
    optimizers?: { [key: string]: Optimizer };
  } = {},
) {
  const together = betterTogetherOver({
    version: 'test',
    concurrency: 4,
    openStore: () => store,
    trainer: () => scriptedTrainer(),
    now: () => 0,
    onNetworkAttempt,
    optimizers,
  });
  const { metric = exactMatch(), optimizers: chosen, ...rest } = options;
  return together({ metric, optimizers: chosen ?? optimizers() }).compile(program(model), {
    ...data,
    store,
    trainer: scriptedTrainer(),
    ...rest,
  });
}

async function eventsOf(run: AsyncIterable<LiveEvent>): Promise<RunEvent[]> {
  const events: RunEvent[] = [];
  for await (const event of run) if (event.type !== 'progress') events.push(event);
  return events;
}

const adaptersAsked = (model: ScriptedModel, from = 0) =>
  new Set(model.requests.slice(from).map(({ model: { adapter } }) => adapter));

describe('p -> w -> p', () => {
  test('tells every phase, however soon the next thing follows it', async () => {
    const phases: string[] = [];
    for await (const event of start(learner()))
      if (event.type === 'progress' && event.progress.type === 'phase') phases.push(event.progress.phase);
    expect(phases[0]).toBe('scripted on cpu: 1 thread, 1 sequence of 4096 tokens, batches of 512');
    expect(phases.length).toBeGreaterThan(1);
  });

  test('measures baseline and every step, and picks the best on val', async () => {
    const best = await start(learner());
    expect(best.summary.candidates.map(({ strategy, val }) => [strategy, val?.mean])).toEqual([
      ['', 0.3],
      ['p', 0.5],
      ['p -> w', 0.8],
      ['p -> w -> p', 0.9],
    ]);
    expect(best.summary.chosen.strategy).toBe('p -> w -> p');
    expect(best.candidatePrograms.map(({ score, strategy }) => [score, strategy])).toEqual([
      [0.9, 'p -> w -> p'],
      [0.8, 'p -> w'],
      [0.5, 'p'],
      [0.3, ''],
    ]);
    expect(best.flagCompilationErrorOccurred).toBe(false);
  });

  test('counts attempts to reach another machine while it runs, and only then', async () => {
    const before = await start(learner());
    expect(before.summary.networkAttempts).toBe(0);
    const run = start(learner(), { seed: 1 });
    for await (const event of run) {
      if (event.type !== 'step-start') continue;
      for (const listener of networkListeners) listener('models.example');
    }
    expect((await run).summary.networkAttempts).toBe(3);
    expect(networkListeners.size).toBe(0);
  });

  test('returns a program that answers with the chosen prompt and weights', async () => {
    const model = learner();
    const best = await start(model);
    await best({ number: '8' });
    const last = model.requests.at(-1);
    expect(last?.model.adapter).not.toBeNull();
    expect(last?.prompt.turns.length).toBeGreaterThan(0);
  });

  test('leaves the student as it was', async () => {
    const model = learner();
    const before = program(model);
    const drafts = structuredClone(before.drafts);
    const together = betterTogetherOver({
      version: 'test',
      concurrency: 4,
      openStore: () => store,
      trainer: () => scriptedTrainer(),
      now: () => 0,
      onNetworkAttempt,
      optimizers,
    });
    await together({ metric: exactMatch() }).compile(before, { ...data, store });
    expect(before.drafts).toEqual(drafts);
  });

  test('searches the last prompt step with the new weights, the empty demo set among its candidates', async () => {
    const model = learner();
    const events = await eventsOf(start(model));
    const proposed = events.filter((event) => event.type === 'candidate-proposed' && event.step === 3);
    const states = proposed.map((event) =>
      event.type === 'candidate-proposed' ? event.candidate.predictors.predict : undefined,
    );
    expect(states.every((state) => state?.model.adapter !== null)).toBe(true);
    expect(states.map((state) => state?.demos.length)).toContain(0);
  });

  test('opens the sealed test for the baseline and the chosen program only', async () => {
    const model = learner();
    const best = await start(model);
    expect(best.summary.candidates.map(({ strategy, test }) => [strategy, test?.mean ?? null])).toEqual([
      ['', 0.3],
      ['p', null],
      ['p -> w', null],
      ['p -> w -> p', 0.9],
    ]);
    const tested = new Set(data.testset.map(({ number }) => number));
    const firstLook = model.requests.findIndex(({ prompt }) => tested.has(prompt.user));
    expect(model.requests.slice(firstLook).every(({ prompt }) => tested.has(prompt.user))).toBe(true);
  });

  test('opens the test for every candidate on request', async () => {
    const best = await start(learner(), { openTest: 'all' });
    expect(best.summary.candidates.map(({ test }) => test?.mean)).toEqual([0.3, 0.5, 0.8, 0.9]);
  });
});

describe('what a run may claim', () => {
  test('a gain over the baseline stands with its interval, on val and on the sealed test', async () => {
    const { summary } = await start(learner());
    expect(summary.selection).toMatchObject({
      rule: 'best-mean',
      gain: { difference: { mean: expect.closeTo(0.6, 12), n: 40 }, won: 24, lost: 0 },
      corrected: { mean: expect.closeTo(0.9, 2), n: 40 },
    });
    expect(summary.selection!.chanceAmongAll).toBeLessThan(0.001);
    expect(summary.test).toEqual({
      gain: expect.objectContaining({ won: 24, lost: 0, chance: expect.closeTo(2 ** -23, 12) }),
      shrinkage: expect.closeTo(0, 12),
      openings: { runs: 1, candidates: 2 },
    });
  });

  test('every opening of the same test examples is counted, in whatever order they stand', async () => {
    await start(learner());
    await start(learner(), { seed: 1, openTest: 'all', testset: data.testset.toReversed() });
    await start(learner(), { seed: 2, testset: numbers(120, 160) });
    const { summary } = await start(learner(), { seed: 3 });
    expect(summary.test!.openings).toEqual({ runs: 3, candidates: 8 });
  });

  test('significant returns the program as it was where nothing was gained', async () => {
    const lucky = () => student(({ prompt }) => (prompt.turns.length > 0 ? 4 : 3));
    const given = { strategy: 'p', valset: numbers(40, 60), testset: [] } as const;
    const [mean, significant] = await Promise.all([
      start(lucky(), given),
      start(lucky(), { ...given, selection: 'significant' }),
    ]);
    expect([mean.summary.chosen.strategy, significant.summary.chosen.strategy]).toEqual(['p', '']);
  });

  test('crossed measures every weights with every prompt, and chooses none of them', async () => {
    const { summary } = await start(learner(), { crossed: true });
    const cells = summary.crossed!.map(({ weights, prompt, val }) => [weights, prompt, val.mean]);
    expect(cells).toEqual(
      expect.arrayContaining([
        ['', '', 0.3],
        ['', 'p', 0.5],
        ['p -> w', '', 0.8],
      ]),
    );
    expect(summary.chosen.strategy).toBe('p -> w -> p');
    expect((await start(learner(), { seed: 0 })).summary.crossed).toEqual([]);
  });

  test('without a val split, significant and crossed are refused', () => {
    expect(() => start(learner(), { valset: [], selection: 'significant', crossed: true })).toThrow(
      /selection "significant" compares candidates on val[\s\S]*crossed compares/,
    );
  });
});

describe('w -> p', () => {
  test('searches prompts on the tuned weights only', async () => {
    const model = learner();
    const trainer = scriptedTrainer();
    let askedBefore = 0;
    const watched: ScriptedTrainer = {
      ...trainer,
      train(spec, options) {
        askedBefore = model.requests.length;
        return trainer.train(spec, options);
      },
    };
    await start(model, { strategy: 'w -> p', trainer: watched, testset: [] });
    expect([...adaptersAsked(model, askedBefore)]).toHaveLength(1);
    expect([...adaptersAsked(model, askedBefore)][0]).not.toBeNull();
  });
});

describe('selection', () => {
  const constant = (skill: number) => student(() => skill);

  test('keeps the baseline when nothing is better, ties to the earlier', async () => {
    const best = await start(constant(4), { strategy: 'p -> w' });
    expect(best.summary.chosen.strategy).toBe('');
  });

  test('starts a step from the best so far, ties to the later', async () => {
    const events = await eventsOf(start(constant(4), { strategy: 'w -> w' }));
    const starts = events.flatMap((event) => (event.type === 'step-start' ? [event.from] : []));
    const ends = events.flatMap((event) => (event.type === 'step-end' ? [event.to] : []));
    expect(starts[1]).toBe(ends[0]);
  });

  test('starts from the best when the latest is worse, or from the latest on request', async () => {
    const worseWithDemos = () => student(({ prompt }) => (prompt.turns.length > 0 ? 2 : 6));
    const path = { strategy: 'l -> l', optimizers: { l: labeledFewShot({ k: 2, keepStart: false }) } };
    const starts = async (stepStart: 'best' | 'latest') => {
      const events = await eventsOf(start(worseWithDemos(), { ...path, stepStart }));
      return {
        from: events.flatMap((event) => (event.type === 'step-start' ? [event.from] : [])),
        to: events.flatMap((event) => (event.type === 'step-end' ? [event.to] : [])),
      };
    };
    const best = await starts('best');
    expect(best.from[1]).toBe(best.from[0]);
    const latest = await starts('latest');
    expect(latest.from[1]).toBe(latest.to[0]);
  });

  test('starts a prompt step from the original prompts on request', async () => {
    const demosOfParents = async (promptStart: 'current' | 'original') => {
      const seen: number[] = [];
      const spy: Optimizer = {
        ...labeledFewShot({ k: 3 }),
        optimize: (parent, context) => {
          seen.push(parent.predictors.predict?.demos.length ?? -1);
          return labeledFewShot({ k: 3 }).optimize(parent, context);
        },
      };
      await start(
        student(({ prompt }) => 3 + prompt.turns.length),
        { strategy: 'l -> l', optimizers: { l: spy }, promptStart },
      );
      return seen;
    };
    expect(await demosOfParents('current')).toEqual([0, 3]);
    expect(await demosOfParents('original')).toEqual([0, 0]);
  });

  test('returns the latest without a val split, and says so', async () => {
    const best = await start(constant(4), { strategy: 'l', optimizers: { l: labeledFewShot({ k: 2 }) }, valset: [] });
    expect(best.summary.chosen.strategy).toBe('l');
    expect(best.summary.notices.map(({ code }) => code)).toContain('no-valset');
  });
});

describe('a failed step', () => {
  const neverRight = () => student(() => 0);
  const path = { strategy: 'w -> p', optimizers: { ...optimizers(), w: bootstrapFinetune({ rows: 'bootstrapped' }) } };

  test('trains on nothing: zero rows fail the step, and the run goes on with the flag set', async () => {
    const trainer = scriptedTrainer();
    const run = start(neverRight(), { ...path, trainer });
    const events = await eventsOf(run);
    const best = await run;
    expect(events.flatMap((event) => (event.type === 'step-failed' ? [[event.step, event.code]] : []))).toEqual([
      [1, 'no-rows'],
    ]);
    expect(trainer.specs).toEqual([]);
    expect(best.flagCompilationErrorOccurred).toBe(true);
    expect(best.summary.candidates.map(({ strategy }) => strategy)).toEqual(['', 'p']);
  });

  test('ends the strategy on request', async () => {
    const best = await start(neverRight(), { ...path, onStepError: 'stop' });
    expect(best.summary.candidates.map(({ strategy }) => strategy)).toEqual(['']);
  });
});

describe('resuming', () => {
  /** A learner whose host dies at a given call. */
  function mortal(deathAt: number): ScriptedModel {
    const inner = learner();
    let calls = 0;
    return {
      ...inner,
      async generate(request, options) {
        if (++calls === deathAt) throw new WorldError('host-died', 'The host died.', 'Start again.');
        return inner.generate(request, options);
      },
    };
  }

  test('goes on where a broken world stopped it: same digest, no remembered call repeated', async () => {
    const undisturbed = learner();
    const wanted = await start(undisturbed, { store: sqliteStore(join(folder, 'undisturbed.sqlite')) });
    const first = mortal(60);
    await expect(start(first)).rejects.toThrow('The host died.');
    const second = learner();
    const resumed = await start(second);
    expect(resumed.summary.digest).toBe(wanted.summary.digest);
    expect(resumed.summary.calls.made).toBe(wanted.summary.calls.made);
    expect(first.requests.length + second.requests.length).toBe(undisturbed.requests.length);
    expect(resumed.summary.starts.map(({ endedBy }) => endedBy)).toEqual(['host-died', 'done']);
  });

  test('trains once, even when the run stops right after', async () => {
    const trainer = scriptedTrainer();
    const dying: ScriptedModel = { ...learner() };
    const dead = {
      ...dying,
      generate: (request: Parameters<typeof dying.generate>[0], options: Parameters<typeof dying.generate>[1]) =>
        request.model.adapter
          ? Promise.reject(new WorldError('gpu-lost', 'lost', ''))
          : dying.generate(request, options),
    };
    await expect(start(dead as ScriptedModel, { trainer })).rejects.toThrow('lost');
    await start(learner(), { trainer });
    expect(trainer.specs).toHaveLength(1);
  });

  test('prints the finished result of the same experiment without a call', async () => {
    const first = await start(learner());
    const again = learner();
    const second = await start(again);
    expect(again.requests).toEqual([]);
    expect(second.summary).toEqual(first.summary);
  });

  test('makes a new run of an edited metric, which finds every call remembered', async () => {
    const first = await start(learner(), { strategy: 'p' });
    const again = learner();
    const metric: Metric = ({ labels }, prediction) => labels.kind === prediction.kind;
    const second = await start(again, { strategy: 'p', metric });
    expect(second.summary.run).not.toBe(first.summary.run);
    expect(again.requests).toEqual([]);
    expect(second.summary.calls).toMatchObject({
      made: 0,
      remembered: second.summary.calls.requested - sharedOf(second),
    });
  });

  const sharedOf = ({ summary: { calls } }: Awaited<ReturnType<typeof start>>) =>
    calls.requested - calls.made - calls.remembered;
});

describe('seeds', () => {
  const digest = async (seed: number, name: string) =>
    (await start(learner(), { seed, store: sqliteStore(join(folder, `${name}.sqlite`)) })).summary.digest;

  test('equal seeds agree, different seeds differ, and 0 is a seed', async () => {
    const [zero, zeroAgain, one] = [await digest(0, 'a'), await digest(0, 'b'), await digest(1, 'c')];
    expect(zeroAgain).toBe(zero);
    expect(one).not.toBe(zero);
  });

  test('concurrency changes nothing', async () => {
    const alone = await start(learner(), { numThreads: 1, store: sqliteStore(join(folder, 'one.sqlite')) });
    const together = await start(learner(), { numThreads: 16, store: sqliteStore(join(folder, 'many.sqlite')) });
    expect(together.summary.digest).toBe(alone.summary.digest);
  });
});

describe('budget', () => {
  test('never asks more than it allows in steps, and says that it ended the search', async () => {
    const model = learner();
    const best = await start(model, { strategy: 'p', maxCalls: 100 });
    const outsideOfSteps = data.valset.length + 2 * data.testset.length;
    expect(model.requests.length).toBeLessThanOrEqual(100 + outsideOfSteps);
    expect(best.summary.notices.map(({ code }) => code)).toContain('budget-ends-search');
  });
});

describe('teachers', () => {
  test.each([
    ['one program', false],
    ['a list', true],
  ])('shows how it is done, given as %s', async (_, asList) => {
    const teacherModel = student(() => 10, 'teacher');
    const teacher = program(teacherModel);
    const model = learner();
    const run = start(model, {
      strategy: 'b',
      optimizers: { b: bootstrapFewShot({ maxLabeledDemos: 0 }) },
      teacher: asList ? [teacher] : teacher,
    });
    const best = await run;
    expect(teacherModel.requests.length).toBeGreaterThan(0);
    expect(best.summary.candidates.at(-1)?.candidate.predictors.predict?.demos).toHaveLength(4);
  });

  test('gives answers, while rows carry the prompt that the student will be served with', async () => {
    const teacher = program(student(() => 10, 'teacher')).withCandidate({
      predictors: {
        predict: {
          ...program(student(() => 10, 'teacher')).drafts.predict!,
          instructions: 'Teacher prompt.',
          model: { base: student(() => 10, 'teacher').base.sha256, adapter: null },
        },
      },
    });
    const trainer = scriptedTrainer();
    await start(learner(), {
      strategy: 'w',
      optimizers: { w: bootstrapFinetune({ rows: 'bootstrapped' }) },
      teacher,
      trainer,
    });
    const prompts = trainer.specs[0]?.rows.map(({ promptIds }) => String.fromCharCode(...promptIds)) ?? [];
    expect(prompts).toHaveLength(40);
    expect(prompts.every((prompt) => prompt.startsWith('Is the number odd or even?'))).toBe(true);
  });

  test('are given for one step with optimizerCompileArgs', async () => {
    const teacherModel = student(() => 10, 'teacher');
    await start(learner(), {
      strategy: 'p -> w',
      optimizerCompileArgs: { w: { teacher: program(teacherModel), rows: 'bootstrapped' } },
    });
    const trained = new Set(data.trainset.map(({ number }) => number));
    expect(teacherModel.requests.every(({ prompt }) => trained.has(prompt.user))).toBe(true);
    expect(teacherModel.requests).toHaveLength(40);
  });
});

describe('options', () => {
  test.each([
    ['an unknown strategy key', { strategy: 'p -> q' }, 'not the key of an optimizer'],
    ['an unknown key of optimizerCompileArgs', { optimizerCompileArgs: { q: {} } }, 'optimizerCompileArgs names "q"'],
    [
      'a student in optimizerCompileArgs',
      { optimizerCompileArgs: { p: { student: 1 } } },
      'cannot replace the student',
    ],
    ['an unknown parameter', { optimizerCompileArgs: { p: { breadth: 3 } } }, 'has no parameter "breadth"'],
    [
      'a parameter of the wrong type',
      { optimizerCompileArgs: { p: { numCandidatePrograms: 'six' } } },
      'numCandidatePrograms',
    ],
    ['an empty trainset', { trainset: [] }, 'train split has no examples'],
    ['a ratio out of bounds', { valsetRatio: 1 }, 'at least 0 and less than 1'],
    [
      'a label that train never shows',
      { trainset: numbers(0, 40).filter(({ kind }) => kind === 'odd') },
      'never in train',
    ],
    [
      'a row that breaks the signature',
      { trainset: [...numbers(0, 9), { number: '9', kind: 'strange' }] },
      'trainset[9]',
    ],
  ])('refuses %s before anything is asked', (_, options, message) => {
    const model = learner();
    expect(() => start(model, options as Partial<CompileOptions<string>>)).toThrow(message);
    expect(model.requests).toEqual([]);
  });

  test('notices few examples and overlapping splits', async () => {
    const best = await start(learner(), { strategy: 'p', valset: numbers(30, 70) });
    expect(best.summary.notices.map(({ code }) => code)).toEqual(['few-examples', 'split-overlap', 'low-baseline']);
  });
});

describe('memory', () => {
  test('shares one answer among equal questions in flight', async () => {
    const model = learner();
    const doubled = [...numbers(40, 60), ...numbers(40, 60)];
    await start(model, { strategy: 'l', optimizers: { l: labeledFewShot({ k: 0 }) }, valset: doubled, testset: [] });
    expect(model.requests).toHaveLength(20);
  });
});
