import { describe, expect, test } from 'vitest';
import { candidateOf, program as programOf } from '../../src/core/callable.ts';
import { type Candidate, candidateId } from '../../src/core/candidate.ts';
import { InputError } from '../../src/core/errors.ts';
import { type Example, example } from '../../src/core/example.ts';
import type { Metric } from '../../src/core/metric.ts';
import type { FitOrder } from '../../src/core/optimizer.ts';
import type { Structure } from '../../src/core/program.ts';
import { withReasoning } from '../../src/core/signature.ts';
import { bootstrapFewShot } from '../../src/optimize/bootstrap-few-shot.ts';
import { bootstrapFinetune } from '../../src/optimize/bootstrap-finetune.ts';
import { labeledFewShot } from '../../src/optimize/labeled-few-shot.ts';
import { bootstrapFewShotWithRandomSearch } from '../../src/optimize/random-search/random-search.ts';
import { type ContextOptions, optimizerContext } from '../support/optimizer-context.ts';
import { numbers, pairProgram, parity, program, student } from '../support/parity-task.ts';
import { type ScriptedModel, scriptedModel } from '../support/scripted-model.ts';

const examples = (first: number, end: number): Example[] =>
  numbers(first, end).map(({ number, kind }) => example({ number }, { kind }));

/** A context over a scripted model, without a run around it. */
const bench = (model: ScriptedModel, structure: Structure, options: Partial<ContextOptions> = {}) =>
  optimizerContext(model, structure, { train: examples(0, 40), val: examples(40, 60), ...options });

/** These tests are about what an optimizer makes, not about whether it is better: see keep-start.test.ts. */
const asMade = { keepStart: false };

const demosOf = (candidate: Candidate, predictor = 'predict') => candidate.predictors[predictor]?.demos ?? [];

const capable = () => student(() => 5);
const one = (model: ScriptedModel) => ({ parent: candidateOf(program(model)), structure: program(model).structure });

/** Two predictors of one kind, with code between them. */
function pair(model: ScriptedModel) {
  const both = pairProgram(model);
  return { parent: candidateOf(both), structure: both.structure };
}

describe('labeledFewShot', () => {
  test('shows k labelled examples, other ones to every predictor', async () => {
    const model = capable();
    const { parent, structure } = pair(model);
    const { candidate } = await labeledFewShot({ k: 5, ...asMade }).optimize(parent, bench(model, structure).context);
    const [first, second] = [demosOf(candidate, 'first'), demosOf(candidate, 'second')].map((demos) =>
      demos.map(({ source }) => source),
    );
    expect([first?.length, second?.length]).toEqual([5, 5]);
    expect(first).not.toEqual(second);
  });

  test('takes the first k without sampling', async () => {
    const model = capable();
    const { parent, structure } = one(model);
    const { candidate } = await labeledFewShot({ k: 2, sample: false, ...asMade }).optimize(
      parent,
      bench(model, structure).context,
    );
    expect(demosOf(candidate).map(({ inputs, outputs }) => [inputs.number, outputs.kind])).toEqual([
      ['0', 'even'],
      ['1', 'odd'],
    ]);
  });

  test('leaves out demos that do not fit the token cap, and cuts none', async () => {
    const model = capable();
    const { parent, structure } = one(model);
    const long = [example({ number: '7'.repeat(300) }, { kind: 'odd' }), ...examples(0, 3)];
    const { candidate } = await labeledFewShot({ k: 4, sample: false, maxDemoTokens: 40, ...asMade }).optimize(
      parent,
      bench(model, structure, { train: long }).context,
    );
    expect(demosOf(candidate).map(({ inputs }) => inputs.number)).toEqual(['0', '1']);
  });

  test('gives no half demo to a predictor whose outputs are not all labelled, and says so', async () => {
    const model = capable();
    const reasoned = programOf({
      predictors: { predict: withReasoning(parity) },
      run: (inputs: { number: string }, call) => call('predict', inputs),
    }).withLm(model);
    const { context, notices } = bench(model, reasoned.structure);
    const { candidate } = await labeledFewShot(asMade).optimize(candidateOf(reasoned), context);
    expect(demosOf(candidate)).toEqual([]);
    expect(notices).toEqual(['no-labelled-demos']);
  });
});

describe('bootstrapFewShot', () => {
  test('shows what the student got right first, then labelled examples that were not used', async () => {
    const model = capable();
    const { parent, structure } = one(model);
    const { candidate } = await bootstrapFewShot({ maxBootstrappedDemos: 3, maxLabeledDemos: 5, ...asMade }).optimize(
      parent,
      bench(model, structure).context,
    );
    const sources = demosOf(candidate).map(({ source }) => source);
    expect(
      demosOf(candidate)
        .map(({ inputs }) => inputs.number)
        .slice(0, 3),
    ).toEqual(['0', '1', '2']);
    expect(new Set(sources).size).toBe(5);
  });

  test('draws labelled demos for each predictor from the whole pool', async () => {
    const model = capable();
    const { parent, structure } = pair(model);
    const { candidate } = await bootstrapFewShot({ maxBootstrappedDemos: 0, maxLabeledDemos: 6, ...asMade }).optimize(
      parent,
      bench(model, structure).context,
    );
    const [first, second] = ['first', 'second'].map((name) => demosOf(candidate, name).map(({ source }) => source));
    expect([first?.length, second?.length]).toEqual([6, 6]);
    expect(first).not.toEqual(second);
  });

  test('never shows an example its own demo while it is asked', async () => {
    const model = capable();
    const { parent, structure } = one(model);
    await bootstrapFewShot(asMade).optimize(parent, bench(model, structure).context);
    const selfShown = model.requests.filter(({ prompt }) => prompt.turns.some(({ user }) => user === prompt.user));
    expect(selfShown).toEqual([]);
  });

  test('counts a score of 0 with feedback as a failure', async () => {
    const model = capable();
    const { parent, structure } = one(model);
    const metric: Metric = () => ({ score: 0, feedback: 'Never right.' });
    const { candidate } = await bootstrapFewShot({ maxLabeledDemos: 0, ...asMade }).optimize(
      parent,
      bench(model, structure, { metric }).context,
    );
    expect(demosOf(candidate)).toEqual([]);
  });

  test('tries again at temperature 1 in later rounds', async () => {
    const lucky = scriptedModel(({ prompt, sampling }) => [
      sampling.temperature > 0 && prompt.user === '3' ? 'odd' : 'even',
    ]);
    const { parent, structure } = one(lucky);
    const settings = { maxLabeledDemos: 0, maxBootstrappedDemos: 1, maxRounds: 2, ...asMade };
    const { candidate } = await bootstrapFewShot(settings).optimize(
      parent,
      bench(lucky, structure, { train: [examples(3, 4)[0]!] }).context,
    );
    expect(demosOf(candidate).map(({ outputs }) => outputs.kind)).toEqual(['odd']);
  });

  test('changes nothing on an empty train set', async () => {
    const model = capable();
    const { parent, structure } = one(model);
    const { candidate } = await bootstrapFewShot().optimize(parent, bench(model, structure, { train: [] }).context);
    expect(candidate).toEqual(parent);
  });
});

describe('bootstrapFewShotWithRandomSearch', () => {
  test('tries no demos, labelled, in order, and random ones, and keeps the earliest best', async () => {
    const model = capable();
    const { parent, structure } = one(model);
    const { candidate, trials } = await bootstrapFewShotWithRandomSearch({ numCandidatePrograms: 2 }).optimize(
      parent,
      bench(model, structure).context,
    );
    expect(trials.map(({ note }) => note)).toEqual([
      'no demos',
      'labelled demos',
      'bootstrapped demos',
      'random demos 1',
      'random demos 2',
      'the best as value',
      'the best as lines',
      'the best with its labels omitted',
    ]);
    expect(candidate).toEqual(parent);
  });

  test('tells the score of every example, best program first', async () => {
    const model = student(({ prompt }) => (prompt.turns.length > 0 ? 9 : 5));
    const { parent, structure } = one(model);
    const search = bootstrapFewShotWithRandomSearch({ numCandidatePrograms: 1 });
    const { candidate, details } = await search.optimize(parent, bench(model, structure).context);
    const programs = details?.candidatePrograms as { candidate: string; score: number; subscores: number[] }[];
    expect(programs[0]).toMatchObject({ candidate: candidateId(candidate), score: 0.9 });
    for (const { score, subscores } of programs) {
      expect(subscores).toHaveLength(20);
      expect(subscores.reduce((sum, value) => sum + value, 0) / 20).toBeCloseTo(score);
    }
    expect(programs.map(({ score }) => score)).toEqual(programs.map(({ score }) => score).toSorted((a, b) => b - a));
  });

  test('stops at the score that is enough', async () => {
    const model = capable();
    const { parent, structure } = one(model);
    const { trials } = await bootstrapFewShotWithRandomSearch({ stopAtScore: 0.5 }).optimize(
      parent,
      bench(model, structure).context,
    );
    expect(trials).toHaveLength(1);
  });

  test('tries only the candidates that restrict names, and refuses to try none', async () => {
    const model = capable();
    const { parent, structure } = one(model);
    const search = bootstrapFewShotWithRandomSearch({ numCandidatePrograms: 2, chatFormats: [], labelLists: [] });
    const { trials } = await search.with({ restrict: [-3, 1] }).optimize(parent, bench(model, structure).context);
    expect(trials.map(({ note }) => note)).toEqual(['no demos', 'random demos 2']);
    await expect(search.with({ restrict: [7] }).optimize(parent, bench(model, structure).context)).rejects.toThrow(
      'restrict leaves no candidate',
    );
  });

  test('judges on train without a val split, no example with its own demo', async () => {
    const model = student(({ prompt }) => (prompt.turns.some(({ user }) => user === prompt.user) ? 10 : 5));
    const { parent, structure } = one(model);
    const { trials } = await bootstrapFewShotWithRandomSearch({
      numCandidatePrograms: 1,
      maxLabeledDemos: 16,
      stopLosers: false,
    }).optimize(parent, bench(model, structure, { val: [] }).context);
    expect(new Set(trials.map(({ score }) => score))).toEqual(new Set([0.5]));
  });

  test('asks a teacher about an example once, however many candidates want to know, and about no more than they need', async () => {
    const model = student(() => 10);
    const { parent, structure } = one(model);
    const train = examples(0, 20);
    const search = bootstrapFewShotWithRandomSearch({ numCandidatePrograms: 12, maxBootstrappedDemos: 3 });
    await search.optimize(parent, bench(model, structure, { train, val: examples(40, 42) }).context);
    const taught = model.requests.filter(({ prompt }) => Number(prompt.user) < 20);
    expect(new Set(taught.map(({ prompt }) => prompt.user)).size).toBe(taught.length);
    expect(taught.slice(0, 3).map(({ prompt }) => prompt.user)).toEqual(['0', '1', '2']);
  });

  test('gives other demos for another seed, and the same for the same', async () => {
    const tried = async (seed: number) => {
      const model = capable();
      const { parent, structure } = one(model);
      const { trials } = await bootstrapFewShotWithRandomSearch({ numCandidatePrograms: 1 }).optimize(
        parent,
        bench(model, structure, { seed }).context,
      );
      return trials.map(({ candidate }) => demosOf(candidate).map(({ source }) => source));
    };
    expect(await tried(0)).toEqual(await tried(0));
    expect(await tried(0)).not.toEqual(await tried(1));
  });
});

describe('bootstrapFinetune', () => {
  const orderOf = async (settings: Parameters<typeof bootstrapFinetune>[0], build = one, model = capable()) => {
    const { parent, structure } = build(model);
    const { context, orders } = bench(model, structure);
    const { candidate } = await bootstrapFinetune(settings).optimize(parent, context);
    return { candidate, orders, model };
  };

  const sources = (orders: readonly FitOrder[]) => {
    const from = orders[0]?.rows.map((row) => row.from) ?? [];
    const [bootstrapped, labelled] = (['bootstrapped', 'labelled'] as const).map(
      (name) => from.filter((source) => source === name).length,
    );
    return { bootstrapped, labelled };
  };

  test('learns what was right, and the labels where it was wrong', async () => {
    const { orders } = await orderOf({});
    expect(sources(orders)).toEqual({ bootstrapped: 20, labelled: 20 });
  });

  test.each([
    ['bootstrapped', { bootstrapped: 20, labelled: 0 }],
    ['labelled', { bootstrapped: 0, labelled: 40 }],
  ] as const)('learns from %s rows only, on request', async (rows, counts) => {
    const { orders } = await orderOf({ rows });
    expect(sources(orders)).toEqual(counts);
  });

  test('learns what a teacher answers, right or wrong, from examples without labels', async () => {
    const model = student(() => 0);
    const { parent, structure } = one(model);
    const unlabelled = numbers(0, 6).map(({ number }) => example({ number }, {}));
    const { context, orders } = bench(model, structure, { train: unlabelled });
    const teacher = { structure, candidate: parent };
    await bootstrapFinetune({ rows: 'distilled' }).optimize(parent, { ...context, teachers: [teacher] });
    expect(orders[0]?.rows.map(({ from }) => from)).toEqual(Array(6).fill('distilled'));
    await expect(bootstrapFinetune({ rows: 'distilled' }).optimize(parent, context)).rejects.toMatchObject({
      code: 'teacher-missing',
    });
  });

  test('balances the rows it may take over the labels', async () => {
    const { orders } = await orderOf({ rows: 'labelled', maxRows: 10 });
    const answers = orders[0]?.rows.map(({ pieces }) => pieces?.[1]) ?? [];
    expect(answers.filter((answer) => answer === 'odd')).toHaveLength(5);
    expect(answers).toHaveLength(10);
  });

  test('leaves with the prompt of its rows: no demos, the current instructions', async () => {
    const model = capable();
    const { parent, structure } = one(model);
    const prompted = (await labeledFewShot({ k: 3, ...asMade }).optimize(parent, bench(model, structure).context))
      .candidate;
    const { context, orders } = bench(model, structure);
    const { candidate } = await bootstrapFinetune().optimize(prompted, context);
    expect(orders[0]?.rows.every(({ prompt }) => prompt.turns.length === 0)).toBe(true);
    expect(demosOf(candidate)).toEqual([]);
    const kept = await bootstrapFinetune({ rowDemos: 'current' }).optimize(prompted, bench(model, structure).context);
    expect(demosOf(kept.candidate)).toHaveLength(3);
  });

  test('trains one adapter for predictors that share a base, on the rows of both', async () => {
    const { orders, candidate } = await orderOf({ rows: 'bootstrapped' }, pair);
    expect(orders).toHaveLength(1);
    expect(orders[0]?.rows).toHaveLength(40);
    expect(Object.values(candidate.predictors).map(({ model }) => model.adapter)).toEqual(['adapter-1', 'adapter-1']);
  });

  test('trains one adapter for each predictor on its own rows, on request', async () => {
    const { orders, candidate } = await orderOf({ rows: 'bootstrapped', multitask: false }, pair);
    expect(orders.map(({ rows }) => rows.length)).toEqual([20, 20]);
    expect(Object.values(candidate.predictors).map(({ model }) => model.adapter)).toEqual(['adapter-1', 'adapter-2']);
  });

  test('chooses its settings by the size of the model and lets each be changed', async () => {
    const { orders } = await orderOf({});
    expect(orders[0]?.lora).toEqual({
      rank: 16,
      alpha: 32,
      dropout: 0,
      rsLora: false,
      topLayers: 10,
      targets: 'all',
    });
    expect(orders[0]?.training).toEqual({
      method: 'sft',
      beta: null,
      steps: 50,
      batch: 8,
      learningRate: 2e-3,
      warmupSteps: 3,
      schedule: 'constant',
      precision: 'auto',
      quantization: 'none',
    });
    const large = capable();
    const { orders: ofLarge } = await orderOf({ steps: 7, rank: 4 }, one, {
      ...large,
      base: { ...large.base, parameters: 8e9 },
    });
    expect(ofLarge[0]?.lora).toMatchObject({ rank: 4, topLayers: null });
    expect(ofLarge[0]?.training).toMatchObject({ steps: 7, batch: 16, learningRate: 2e-4 });
  });

  test('starts fresh, or from the current adapter on request', async () => {
    const model = capable();
    const { parent, structure } = one(model);
    const tuned = {
      predictors: {
        predict: { ...parent.predictors.predict!, model: { ...parent.predictors.predict!.model, adapter: 'old' } },
      },
    };
    const startOf = async (startFrom: 'base' | 'adapter') => {
      const { context, orders } = bench(model, structure);
      await bootstrapFinetune({ startFrom }).optimize(tuned, context);
      return orders[0]?.startFrom;
    };
    expect(await startOf('base')).toBeNull();
    expect(await startOf('adapter')).toBe('old');
  });

  test('learns from a row once, however often it was right', async () => {
    const { orders } = await orderOf({ rows: 'bootstrapped', attempts: 3 });
    expect(orders[0]?.rows).toHaveLength(20);
  });
});

describe('parameters', () => {
  test('are checked whole, with the names that exist', () => {
    expect(() => labeledFewShot().with({ k: -1, size: 3 })).toThrow(InputError);
    expect(() => labeledFewShot().with({ size: 3 })).toThrow('labeledFewShot has no parameter "size".');
  });

  test('leave the optimizer they change as it was', () => {
    const optimizer = labeledFewShot({ k: 3 });
    expect(optimizer.with({ k: 5 }).parameters).toMatchObject({ k: 5 });
    expect(optimizer.parameters).toMatchObject({ k: 3 });
  });
});
