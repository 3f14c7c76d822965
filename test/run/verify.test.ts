import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { callKeys } from '../../src/core/call-key.ts';
import { candidateId } from '../../src/core/candidate.ts';
import { InputError, Interrupted } from '../../src/core/errors.ts';
import type { AdapterFile, Engine, LanguageModel, LmRequest } from '../../src/core/lm.ts';
import type { Store } from '../../src/core/store.ts';
import { exactMatch } from '../../src/evaluate/metrics.ts';
import { bootstrapFinetune } from '../../src/optimize/bootstrap-finetune.ts';
import { labeledFewShot } from '../../src/optimize/labeled-few-shot.ts';
import { betterTogetherOver } from '../../src/run/better-together.ts';
import { planVerification, type VerificationPlan, verify } from '../../src/run/verify.ts';
import { memoryStore } from '../../src/store/sqlite-store.ts';
import { numbers, program, student } from '../support/parity-task.ts';
import { scriptedTrainer } from '../support/scripted-trainer.ts';

// Calls of a real run on a scripted student, asked again of students that are the same, or not quite.

let store: Store;
beforeEach(() => {
  store = memoryStore();
});
afterEach(() => store.close());

const skill = ({ model, prompt }: LmRequest) => (model.adapter === null ? (prompt.turns.length > 0 ? 5 : 3) : 9);
const model = student(skill);

/** A finished run: the baseline and labelled demos on ten numbers each, then an adapter. */
async function finishedRun(lm: LanguageModel = model, strategy: 'p' | 'p -> w' = 'p') {
  const optimizers = () => ({ p: labeledFewShot({ k: 2 }), w: bootstrapFinetune() });
  const together = betterTogetherOver({
    version: 'test',
    concurrency: 4,
    openStore: () => store,
    trainer: () => scriptedTrainer(),
    now: () => 0,
    onNetworkAttempt: () => () => {},
    optimizers,
  });
  const { summary } = await together({ metric: exactMatch() }).compile(program(lm as typeof model), {
    trainset: numbers(0, 20),
    valset: numbers(20, 30),
    strategy,
    store,
  });
  return { run: store.run(summary.run)!, summary };
}

const planned = (run: Awaited<ReturnType<typeof finishedRun>>['run'], sample: number | null = null, seed = 0) =>
  planVerification(store, run, { sample, seed });

function verified(
  plan: VerificationPlan,
  now: LanguageModel = model,
  changed: { readonly store?: Store; readonly signal?: AbortSignal } = {},
) {
  const adapters = plan.adapters.map((sha256): [string, AdapterFile] => [
    sha256,
    { sha256, path: store.file('adapter', sha256)! },
  ]);
  const models = new Map([[model.base.sha256, now]]);
  const { signal } = new AbortController();
  return verify(plan, { store, models, adapters: new Map(adapters), concurrency: 4, signal, ...changed });
}

/** The same student as another engine. */
const withEngine = (change: Partial<Engine>, lm: LanguageModel = model): LanguageModel => ({
  ...lm,
  engine: async () => ({ ...(await lm.engine()), ...change }),
});

/** The same student, who gives one number the other answer. */
const wrongOn = (number: string): LanguageModel => ({
  ...model,
  async generate(request, options) {
    const response = await model.generate(request, options);
    if (request.prompt.user !== number || response.failure) return response;
    const pieces = response.pieces.map((piece) => (piece === 'odd' ? 'even' : piece === 'even' ? 'odd' : piece));
    return { ...response, pieces };
  },
});

test('a model that says the same agrees, adapters included, and the store stays as it was', async () => {
  const { run } = await finishedRun(model, 'p -> w');
  const before = [store.callTotals(run.id), store.starts(run.id), store.events(run.id)];
  const plan = planned(run);
  expect(plan.adapters).toHaveLength(1);
  const made = store.callTotals(run.id).made;
  expect(await verified(plan)).toMatchObject({
    run: run.id,
    status: 'agrees',
    calls: { stored: made, sampled: made, skipped: { crash: 0, timeout: 0 } },
    bytes: { compared: made, equal: made },
    answers: { compared: 0, equal: 0 },
    engines: [{ base: model.base.sha256, differences: [] }],
    first: null,
  });
  expect([store.callTotals(run.id), store.starts(run.id), store.events(run.id)]).toEqual(before);
});

test('the first call with another answer is named: its predictor, its candidate, its prompt, both answers', async () => {
  const { run, summary } = await finishedRun();
  const { status, bytes, first } = await verified(planned(run), wrongOn('27'));
  // The baseline's answer to 27 and that of the labelled demos.
  expect([status, bytes.compared - bytes.equal]).toEqual(['differs', 2]);
  const baseline = summary.candidates[0]!.candidate;
  expect(first).toMatchObject({
    predictor: Object.keys(baseline.predictors)[0],
    candidate: candidateId(baseline),
    prompt: '27',
    difference: { field: 'pieces', token: null, piece: { stored: 'even', now: 'odd' } },
    stored: { pieces: expect.arrayContaining(['even']) },
    now: { pieces: expect.arrayContaining(['odd']) },
  });
  expect(store.callKeys(run.id)[first!.position - 1]).toBe(first!.call);
  const { request } = store.call(first!.call)!;
  expect(request.prompt).toMatchObject({ user: '27', turns: [] });
});

test('a candidate that a step proposed is recognised by its demos', async () => {
  const { run, summary } = await finishedRun();
  const baseline = store.callKeys(run.id).filter((key) => store.call(key)!.request.prompt.turns.length === 0);
  const plan = planned(run);
  const calls = plan.calls.filter(({ key }) => !baseline.includes(key));
  const { first } = await verified({ ...plan, calls }, wrongOn('27'));
  expect(first?.candidate).toBe(candidateId(summary.candidates[1]!.candidate));
});

test('a call whose request was changed is named, since its key does not fit', async () => {
  const { run } = await finishedRun();
  const changed = store.callKeys(run.id)[4]!;
  const meddled: Store = {
    ...store,
    call(key) {
      const call = store.call(key);
      if (!call || key !== changed) return call;
      return { ...call, request: { ...call.request, prompt: { ...call.request.prompt, user: '99' } } };
    },
  };
  const { status, first } = await verified(planned(run), model, { store: meddled });
  expect(status).toBe('differs');
  expect(first).toMatchObject({ call: changed, position: 5, prompt: '99', difference: { field: 'request' } });
});

describe('a sample', () => {
  test('is drawn by its seed and asked in the order of the store', async () => {
    const { run } = await finishedRun();
    const positions = (seed: number) => planned(run, 5, seed).calls.map(({ position }) => position);
    expect(positions(1)).toEqual(positions(1).toSorted((a, b) => a - b));
    expect(new Set(positions(1)).size).toBe(5);
    expect(positions(1)).toEqual(positions(1));
    expect(positions(1)).not.toEqual(positions(2));
  });

  test('larger than the run is the whole run', async () => {
    const { run } = await finishedRun();
    expect(planned(run, 1000).calls).toHaveLength(store.callTotals(run.id).made);
  });
});

describe('calls that brought the host down', () => {
  const crashed = {
    failure: { kind: 'crash', message: 'abort' },
    usage: { prompt: 0, cachedPrompt: 0, completion: 0 },
  };

  test('are left out and counted', async () => {
    const fragile = {
      ...model,
      generate: (async (request, options) =>
        request.prompt.user === '21' ? crashed : model.generate(request, options)) as LanguageModel['generate'],
    };
    const { run } = await finishedRun(fragile);
    const { status, calls, bytes } = await verified(planned(run));
    expect([status, calls.skipped, calls.sampled - bytes.compared]).toEqual(['agrees', { crash: 2, timeout: 0 }, 2]);
  });

  test('and no others leave nothing to verify, which is said', async () => {
    const { run } = await finishedRun({ ...model, generate: (async () => crashed) as LanguageModel['generate'] });
    expect(() => planned(run)).toThrow(/All 20 sampled calls of run .* had brought the model host down/);
  });
});

test('a run that has asked nothing itself is refused', () => {
  store.addRun({ id: 'empty', experiment: {} });
  const plan = () => planned(store.run('empty')!);
  expect(plan).toThrow(InputError);
  expect(plan).toThrow('Run empty has made no call itself');
});

describe('on another engine', () => {
  test('bytes are not compared: what differs is said, and how many answers agree', async () => {
    const { run } = await finishedRun();
    const verification = await verified(planned(run), withEngine({ build: 'newer' }, wrongOn('27')));
    expect(verification).toMatchObject({
      status: 'not-comparable',
      bytes: { compared: 0, equal: 0 },
      answers: { compared: 20, equal: 18 },
      ofOtherEngines: 20,
      engines: [{ differences: ['build: "test" then, "newer" now'] }],
      first: null,
    });
  });

  test('the calls of a run that went on there are compared, its earlier ones are not', async () => {
    const { run } = await finishedRun();
    const newer = withEngine({ build: 'newer' });
    const [call] = store.callKeys(run.id).map((key) => store.call(key)!);
    const { request, response } = call!;
    const { key, shared } = callKeys()(request, await newer.engine());
    await store.rememberCall(key, { user: request.prompt.user, shared, response, run: run.id, start: 2 });
    const bytes = { compared: 1, equal: 1 };
    expect(await verified(planned(run), newer)).toMatchObject({ status: 'agrees', bytes, ofOtherEngines: 20 });
  });

  test('whose device is missing here the CPU takes its place', async () => {
    const onGpu = withEngine({ device: 'cuda: H100' });
    const { run } = await finishedRun(onGpu);
    const here: LanguageModel = {
      ...model,
      async engine(wanted) {
        if (wanted?.device !== 'cpu') throw new InputError('device-missing', ['no GPU'], 'Use "cpu".');
        return model.engine();
      },
    };
    expect(await verified(planned(run), here)).toMatchObject({
      status: 'not-comparable',
      answers: { compared: 20, equal: 20 },
      engines: [{ differences: ['device: "cuda: H100" then, "cpu" now'] }],
    });
  });
});

test('of an engine that does not repeat its bytes the answers are compared', async () => {
  const wavering = withEngine({ reproducible: 'replay' });
  const { run } = await finishedRun(wavering);
  expect(await verified(planned(run), withEngine({ reproducible: 'replay' }, wrongOn('27')))).toMatchObject({
    status: 'not-comparable',
    answers: { compared: 20, equal: 18 },
    ofOtherEngines: 0,
    engines: [{ differences: [] }],
  });
});

test('stops on request', async () => {
  const { run } = await finishedRun();
  await expect(verified(planned(run), model, { signal: AbortSignal.abort() })).rejects.toBeInstanceOf(Interrupted);
});
