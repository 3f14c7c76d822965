import { describe, expect, test } from 'vitest';
import { candidateOf, program as programOf } from '../../../src/core/callable.ts';
import { type Candidate, candidateId, mapPredictors, withPredictor } from '../../../src/core/candidate.ts';
import { type Example, example } from '../../../src/core/example.ts';
import type { LmRequest } from '../../../src/core/lm.ts';
import type { Metric } from '../../../src/core/metric.ts';
import type { Optimized } from '../../../src/core/optimizer.ts';
import type { Structure } from '../../../src/core/program.ts';
import { exactMatch } from '../../../src/evaluate/metrics.ts';
import { gepa } from '../../../src/optimize/gepa/gepa.ts';
import { type ContextOptions, optimizerContext } from '../../support/optimizer-context.ts';
import { numbers, parity, program, rightKind } from '../../support/parity-task.ts';
import { type Script, type ScriptedModel, scriptedModel } from '../../support/scripted-model.ts';

const examples = (first: number, end: number): Example[] =>
  numbers(first, end).map(({ number, kind }) => example({ number }, { kind }));

/** Right on numbers whose last digit its instructions "know", wrong on all others. */
const knowing = () =>
  scriptedModel(({ prompt }) => {
    const known = /knows (\d+)/.exec(prompt.system)?.[1] ?? '';
    const right = rightKind(prompt.user);
    return [known.includes(prompt.user.at(-1)!) ? right : right === 'odd' ? 'even' : 'odd'];
  });

/** Writes what it is told to, given the question and how many it was asked before. */
const writing = (textOf: (request: LmRequest, before: number) => string): ScriptedModel => {
  let before = 0;
  // A JSON string's body, with the quote that ends it.
  const script: Script = (request) => [JSON.stringify(textOf(request, before++)).slice(1)];
  return scriptedModel(script, 'writer');
};

const always = (text: string) => writing(() => text);

/** Each text knows one digit more: there is always something better, and never all. */
const climbing = () => writing((_, before) => `Text ${before} knows ${'012345678'.slice(0, 1 + (before % 9))}.`);

interface Setting extends Partial<ContextOptions> {
  readonly start?: string;
}

/** One predictor that has to tell the ten numbers of train and of val. */
function single(writer: ScriptedModel, { start = parity.instructions, ...options }: Setting = {}) {
  const model = knowing();
  const made = program(model);
  const parent = withPredictor(candidateOf(made), 'predict', { instructions: start });
  return bench(model, made.structure, parent, writer, options);
}

/** Three predictors: each answers for every third number. Rewritten, one knows another of its numbers, and its last one no more. */
function triple(options: Partial<ContextOptions>) {
  const model = knowing();
  const made = programOf({
    predictors: { a: parity, b: parity, c: parity },
    run: async ({ number }: { number: string }, call) => {
      const answers = [await call('a', { number }), await call('b', { number }), await call('c', { number })];
      return answers[Number(number.at(-1)) % 3]!;
    },
  }).withLm(model);
  const parent = mapPredictors(candidateOf(made), (state, name) => ({
    ...state,
    instructions: `Part ${name} knows ${'abc'.indexOf(name)}.`,
  }));
  const writer = writing(({ prompt }) => {
    const name = /Part (\w)/.exec(prompt.user)![1]!;
    return `Part ${name}, new, knows ${3 + 'abc'.indexOf(name)}.`;
  });
  return bench(model, made.structure, parent, writer, { train: examples(3, 6), val: examples(10, 16), ...options });
}

/** Two predictors of one signature: the first one's answer counts for digits below 5, the second one's for the others. */
function pair(writer: ScriptedModel, options: Partial<ContextOptions> = {}) {
  const model = knowing();
  const both = programOf({
    predictors: { first: parity, second: parity },
    run: async ({ number }: { number: string }, call) => {
      const [first, second] = [await call('first', { number }), await call('second', { number })];
      return Number(number.at(-1)) < 5 ? first : second;
    },
  }).withLm(model);
  const started = withPredictor(candidateOf(both), 'first', { instructions: 'First knows 0.' });
  const parent = withPredictor(started, 'second', { instructions: 'Second knows 5.' });
  return bench(model, both.structure, parent, writer, options);
}

/** Of the two it improves the one it is shown. */
const specializing = () =>
  writing(({ prompt }) => (prompt.user.includes('First') ? 'First knows 1234.' : 'Second knows 6789.'));

function bench(
  model: ScriptedModel,
  structure: Structure,
  parent: Candidate,
  promptModel: ScriptedModel,
  options: Partial<ContextOptions>,
) {
  const made = { train: examples(0, 10), val: examples(10, 20), promptModel, ...options };
  return { model, parent, ...optimizerContext(model, structure, made) };
}

const textsOf = (candidate: Candidate): string[] =>
  Object.values(candidate.predictors).map(({ instructions }) => instructions);

const notesOf = ({ trials }: Optimized): string[] => trials.map(({ note }) => note);

/** What a metric judges, counted. */
function counted(metric: Metric = exactMatch()) {
  const calls = { count: 0 };
  const counting: Metric = (...given) => {
    calls.count++;
    return metric(...given);
  };
  return { calls, metric: counting };
}

describe('a search', () => {
  test('returns what was better on val, and tells how it came there', async () => {
    const { parent, context, notices, proposed } = single(always('It knows 0123456789.'));
    const { candidate, trials, details } = await gepa().optimize(parent, context);
    expect(textsOf(candidate)).toEqual(['It knows 0123456789.']);
    expect(trials).toEqual([
      { candidate: parent, score: 0, note: 'start' },
      { candidate, score: 1, note: 'reflection 1 on predict' },
    ]);
    expect(proposed).toEqual([{ candidate, note: 'reflection 1 on predict' }]);
    expect(notices).toEqual([]);
    expect(details).toEqual({
      candidates: [candidateId(parent), candidateId(candidate)],
      parents: [[], [0]],
      valAggregateScores: [0, 1],
      valSubscores: [Array(10).fill(0), Array(10).fill(1)],
      perValInstanceBestCandidates: Array(10).fill([1]),
      discoveryEvalCounts: [0, 16],
      totalMetricCalls: 26,
      numFullValEvals: 2,
      proposals: expect.objectContaining({ asked: 1, usable: 1 }),
      merges: { tried: 0, accepted: 0 },
    });
  });

  test('leaves demos and weights as they are', async () => {
    const { parent, context } = single(always('It knows 0123456789.'));
    const demos = [{ inputs: { number: '77' }, outputs: { kind: 'odd' }, source: 'elsewhere' }];
    const shown = mapPredictors(parent, (state) => ({ ...state, demos }));
    const { candidate } = await gepa().optimize(shown, context);
    expect(candidate).toEqual(withPredictor(shown, 'predict', { instructions: 'It knows 0123456789.' }));
  });

  test('does not measure a child on val that is no better on its minibatch', async () => {
    const { parent, context } = single(always('Other words.'));
    const optimized = await gepa().optimize(parent, context);
    expect(notesOf(optimized)).toEqual(['start', 'reflection 1 on predict: not better on its minibatch']);
    expect(optimized.trials[1]!.score).toBeNull();
  });

  test('measures one that is no worse, on request', async () => {
    const { parent, context } = single(always('Other words.'));
    const optimized = await gepa({ acceptance: 'improvement-or-equal' }).optimize(parent, context);
    expect(notesOf(optimized)).toEqual(['start', 'reflection 1 on predict']);
  });

  test('keeps the start when a child only ties, and says so', async () => {
    const setting = single(always('It knows 5.'), { start: 'It knows 0.', train: examples(5, 6) });
    const { candidate, trials } = await gepa().optimize(setting.parent, setting.context);
    expect(trials.map(({ score }) => score)).toEqual([0.1, 0.1]);
    expect(candidate).toBe(setting.parent);
    expect(setting.notices).toEqual(['proposals-run-dry', 'start-kept']);
  });

  test('reflects on as many rows as are wanted', async () => {
    const { parent, context } = single(always('It knows 0123456789.'));
    const { details } = await gepa({ reflectionMinibatchSize: 4 }).optimize(parent, context);
    expect(details!.discoveryEvalCounts).toEqual([0, 10 + 2 * 4]);
  });

  test('judges with the metric that is its own', async () => {
    const { parent, context } = single(always('It knows 0123456789.'));
    const { trials } = await gepa({ metric: () => 0.5, maxMetricCalls: 30 }).optimize(parent, context);
    expect(trials[0]!.score).toBe(0.5);
  });

  test('goes the same way with the same seed and another with another; 0 is a seed', async () => {
    const wayOf = async (seed: number) => {
      const { parent, context, model } = single(climbing(), { seed });
      const { details } = await gepa({ maxMetricCalls: 80 }).optimize(parent, context);
      return { details, asked: model.requests.map(({ prompt }) => prompt.user) };
    };
    expect(await wayOf(0)).toEqual(await wayOf(0));
    expect((await wayOf(0)).asked).not.toEqual((await wayOf(1)).asked);
  });

  test('improves whom the strategy selects', async () => {
    const parentsWith = async (settings: Parameters<typeof gepa>[0]) => {
      const { parent, context } = single(climbing());
      const { details } = await gepa({ maxMetricCalls: 160, ...settings }).optimize(parent, context);
      return details!.parents;
    };
    const chain = (await parentsWith({ candidateSelectionStrategy: 'current-best' })) as number[][];
    expect(chain).toEqual(chain.map((_, index) => (index === 0 ? [] : [index - 1])));
    expect(chain.length).toBeGreaterThan(3);
    const anyone = await parentsWith({ candidateSelectionStrategy: 'epsilon-greedy', epsilon: 1 });
    expect(anyone).not.toEqual(chain);
    expect(await parentsWith({ candidateSelectionStrategy: 'top-k-pareto', topK: 1 })).toEqual(chain);
  });

  test('measures on train without a val split, no example with its own demo, and says so', async () => {
    const { parent, context, notices, model } = single(always('Other words.'), { val: [] });
    const demos = context.train.map(({ id, inputs, labels }) => ({ inputs, outputs: labels, source: id }));
    const shown = mapPredictors(parent, (state) => ({ ...state, demos }));
    const { details } = await gepa().optimize(shown, context);
    expect(details!.valSubscores).toEqual([Array(10).fill(0)]);
    expect(notices).toContain('train-serves-as-val');
    expect(model.requests.filter(({ prompt }) => prompt.turns.some(({ user }) => user === prompt.user))).toEqual([]);
  });

  test('keeps the start when there is nothing to learn from', async () => {
    const { parent, context, notices, evaluated } = single(always('Other words.'), { train: [] });
    expect(await gepa().optimize(parent, context)).toEqual({ candidate: parent, trials: [] });
    expect([notices, evaluated]).toEqual([['start-kept'], []]);
  });
});

describe('a budget', () => {
  test('pays for no candidate twice on one example', async () => {
    const { parent, context } = single(climbing());
    const measured: string[] = [];
    const evaluate: typeof context.evaluate = (candidate, rows, options) => {
      measured.push(...rows.map(({ id }) => `${candidateId(candidate)}/${id}`));
      return context.evaluate(candidate, rows, options);
    };
    const { details } = await gepa({ maxMetricCalls: 120 }).optimize(parent, { ...context, evaluate });
    expect(new Set(measured).size).toBe(measured.length);
    expect(details!.totalMetricCalls).toBe(measured.length);
  });

  test('is never overdrawn by one metric call', async () => {
    for (let maxMetricCalls = 1; maxMetricCalls <= 60; maxMetricCalls++) {
      const { calls, metric } = counted();
      const { parent, context } = single(climbing(), { metric });
      const { details } = await gepa({ maxMetricCalls }).optimize(parent, context);
      expect(calls.count).toBeLessThanOrEqual(maxMetricCalls);
      expect(details!.totalMetricCalls).toBe(calls.count);
    }
  });

  test('of the run is never overdrawn by one call, and its end is said', async () => {
    for (const maxCalls of [5, 20, 40, 41, 59, 77, 100]) {
      const { parent, context, notices } = pair(specializing(), { maxCalls });
      await gepa().optimize(parent, context);
      expect(context.callsLeft()).toBeGreaterThanOrEqual(0);
      expect(notices).toContain('budget-ends-search');
    }
  });

  test('of the run counts what the program was seen to call', async () => {
    const model = knowing();
    const threefold = programOf({
      predictors: { predict: parity },
      run: async (inputs: { number: string }, call) => {
        for (const _ of ['once', 'twice']) await call('predict', inputs);
        return call('predict', inputs);
      },
    }).withLm(model);
    const parent = candidateOf(threefold);
    for (const maxCalls of [30, 50, 70, 90]) {
      const { context, notices } = bench(model, threefold.structure, parent, climbing(), { maxCalls });
      await gepa().optimize(parent, context);
      expect(notices).toContain('budget-ends-search');
    }
  });

  test('too small for the start keeps the start, and that is said', async () => {
    const { parent, context, notices, evaluated } = single(climbing());
    const { candidate, trials } = await gepa({ maxMetricCalls: 9 }).optimize(parent, context);
    expect([candidate === parent, trials, evaluated]).toEqual([true, [], []]);
    expect(notices).toEqual(['budget-ends-search', 'start-kept']);
  });
});

describe('proposals', () => {
  test('of the same words are measured once, and when nothing new comes the search ends', async () => {
    const { parent, context, notices, proposed, evaluated } = single(always('Other words.'));
    await gepa().optimize(parent, context);
    expect(proposed).toHaveLength(1);
    expect(evaluated.filter((candidate) => textsOf(candidate)[0] === 'Other words.')).toHaveLength(1);
    expect(notices).toEqual(['proposals-run-dry', 'start-kept']);
  });

  test('end the search when the prompt model proves unable, long before the budget', async () => {
    const writer = always('');
    const { parent, context, notices } = single(writer);
    const { candidate, details } = await gepa({ auto: 'heavy' }).optimize(parent, context);
    expect(candidate).toBe(parent);
    expect(writer.requests).toHaveLength(9);
    expect(details!.totalMetricCalls).toBe(10 + 3 * 3);
    expect(notices).toEqual(['prompt-model-unable', 'start-kept']);
  });

  test('are asked for at the temperature that is wanted', async () => {
    const writer = always('It knows 0123456789.');
    const { parent, context } = single(writer);
    await gepa({ reflectionTemperature: 0.4 }).optimize(parent, context);
    expect(writer.requests.map(({ sampling }) => sampling.temperature)).toEqual([0.4]);
  });

  test('that quote a row are not used, unless the guard is off', async () => {
    const quoting = 'It knows 1: one hundred and twenty three thousand and 1.';
    const train = [example({ number: 'one hundred and twenty three thousand and 1' }, { kind: 'even' })];
    const proposedWith = async (leakGuard: 'reject' | 'off') => {
      const { parent, context, proposed } = single(always(quoting), { train });
      await gepa({ leakGuard }).optimize(parent, context);
      return proposed.length;
    };
    expect([await proposedWith('reject'), await proposedWith('off')]).toEqual([0, 1]);
  });

  test('are made from earlier mistakes of the parent too, as many as are wanted, at no further metric call', async () => {
    const shownWith = async (rememberedMistakes: number) => {
      const writer = writing((_, before) => `Words ${before}.`);
      const { parent, context } = single(writer);
      const { details } = await gepa({ maxMetricCalls: 45, rememberedMistakes }).optimize(parent, context);
      expect(details!.totalMetricCalls).toBeLessThanOrEqual(45);
      return writer.requests.map(({ prompt }) => new Set(prompt.user.match(/number: \d+/g)).size);
    };
    expect((await shownWith(0)).slice(0, 3)).toEqual([3, 3, 3]);
    expect((await shownWith(2)).slice(0, 3)).toEqual([3, 5, 5]);
  });

  test('show no val row', async () => {
    const writer = climbing();
    const { parent, context } = single(writer, { val: examples(110, 120) });
    await gepa({ maxMetricCalls: 100 }).optimize(parent, context);
    expect(writer.requests.length).toBeGreaterThan(5);
    expect(writer.requests.filter(({ prompt }) => prompt.user.includes('number: 11'))).toEqual([]);
  });
});

describe('what is perfect', () => {
  const onlyZeros = { start: 'It knows 0.', train: [example({ number: '30' }, { kind: 'even' })] };

  test('on its minibatch is not rewritten, unless it is wanted', async () => {
    const askedWith = async (skipPerfectScore: boolean) => {
      const writer = climbing();
      const { parent, context } = single(writer, onlyZeros);
      await gepa({ skipPerfectScore, maxMetricCalls: 40 }).optimize(parent, context);
      return writer.requests.length > 0;
    };
    expect([await askedWith(true), await askedWith(false)]).toEqual([false, true]);
  });

  test('is what reaches the perfect score', async () => {
    const writer = climbing();
    const metric: Metric = (row, prediction) => 0.5 * Number(row.labels.kind === prediction.kind);
    const { parent, context } = single(writer, { ...onlyZeros, metric });
    await gepa({ perfectScore: 0.5, maxMetricCalls: 40 }).optimize(parent, context);
    expect(writer.requests).toEqual([]);
  });

  test('on all of train ends the search, and is said: there is nothing to learn from', async () => {
    const writer = climbing();
    const { parent, context, notices } = single(writer, { ...onlyZeros, start: 'It knows 0.', val: examples(10, 20) });
    await gepa({ maxMetricCalls: 400 }).optimize(parent, context);
    expect([writer.requests, notices]).toEqual([[], ['nothing-to-reflect-on', 'start-kept']]);
  });

  test('on val ends the search: nothing could be better', async () => {
    const { parent, context, notices } = single(climbing(), { start: 'It knows 0123456789.' });
    const { details } = await gepa().optimize(parent, context);
    expect([details!.totalMetricCalls, notices]).toEqual([10, ['start-kept']]);
  });

  test('is not a score of 0 with feedback', async () => {
    const writer = climbing();
    const metric: Metric = () => ({ score: 0, feedback: 'Well done.' });
    const { parent, context } = single(writer, { ...onlyZeros, metric });
    await gepa({ maxMetricCalls: 40 }).optimize(parent, context);
    expect(writer.requests[0]!.prompt.user).toContain('Feedback: Well done.');
  });
});

test('a row that crashes is a 0 in its place, for the parent and for the child', async () => {
  const model = knowing();
  const crashing = programOf({
    predictors: { predict: parity },
    run: (inputs: { number: string }, call) => {
      if (inputs.number.endsWith('1')) throw new Error('Not this one.');
      return call('predict', inputs);
    },
  }).withLm(model);
  const parent = candidateOf(crashing);
  const three = { train: examples(0, 3), val: examples(10, 13) };
  const { context } = bench(model, crashing.structure, parent, always('It knows 012.'), three);
  const { details } = await gepa({ maxMetricCalls: 12 }).optimize(parent, context);
  expect(details).toMatchObject({
    valSubscores: [
      [0, 0, 0],
      [1, 0, 1],
    ],
    totalMetricCalls: 12,
  });
});

describe('several predictors', () => {
  test('have their turns', async () => {
    const { parent, context } = pair(specializing());
    const optimized = await gepa({ candidateSelectionStrategy: 'current-best' }).optimize(parent, context);
    expect(textsOf(optimized.candidate)).toEqual(['First knows 1234.', 'Second knows 6789.']);
    const accepted = optimized.trials.filter(({ score }) => score !== null);
    expect(accepted.map(({ candidate }) => textsOf(candidate))).toEqual([
      ['First knows 0.', 'Second knows 5.'],
      ['First knows 1234.', 'Second knows 5.'],
      ['First knows 1234.', 'Second knows 6789.'],
    ]);
  });

  test('are rewritten together, on request', async () => {
    const { parent, context } = pair(specializing());
    const { trials } = await gepa({ componentSelector: 'all' }).optimize(parent, context);
    expect(trials.slice(0, 2).map(({ candidate, note }) => [note, ...textsOf(candidate)])).toEqual([
      ['start', 'First knows 0.', 'Second knows 5.'],
      ['reflection 1 on first, second', 'First knows 1234.', 'Second knows 6789.'],
    ]);
  });

  /** A seed with which both specialists come from the start, so that there is something to merge. */
  const seed = 4;
  const merging = async (settings: Parameters<typeof gepa>[0] = {}) => {
    const { parent, context, proposed } = pair(specializing(), { seed });
    const optimized = await gepa({ maxMetricCalls: 120, ...settings }).optimize(parent, context);
    return { ...optimized, proposed };
  };

  /** A metric for two that do not go together once both were rewritten. */
  const quarrelling: Metric = (row, prediction, trace) => {
    const systems = trace.map(({ request }) => request.prompt.system);
    if (systems.every((system) => /1234|6789/.test(system))) return 0;
    return exactMatch()(row, prediction, trace);
  };

  test('are merged from two that are each good at one of them', async () => {
    const { candidate, details, trials } = await merging();
    expect(trials.find(({ note }) => note.startsWith('merge'))?.candidate).toEqual(candidate);
    expect(textsOf(candidate)).toEqual(['First knows 1234.', 'Second knows 6789.']);
    expect(details).toMatchObject({
      parents: [[], [0], [0], [1, 2]],
      merges: { tried: 1, accepted: 1 },
      valAggregateScores: [0.2, 0.5, 0.5, 0.8],
    });
    expect((details!.valSubscores as number[][])[3]).toEqual([0, 1, 1, 1, 1, 0, 1, 1, 1, 1]);
  });

  test('are not merged for good when the merge is worse than a parent', async () => {
    const { details, trials } = await merging({ metric: quarrelling });
    expect(trials.filter(({ note }) => note.startsWith('merge')).map(({ score }) => score)).toEqual([null]);
    expect(details).toMatchObject({ merges: { tried: 1, accepted: 0 }, numFullValEvals: 3 });
  });

  test('are merged right after a find only', async () => {
    // What was rewritten twice is wrong: every merge is turned down, and after the last find one more pair is left.
    const onlyOnce: Metric = (row, prediction, trace) => {
      const rewritten = trace.filter(({ request }) => request.prompt.system.includes(', new,'));
      return rewritten.length > 1 ? 0 : exactMatch()(row, prediction, trace);
    };
    const { parent, context } = triple({ metric: onlyOnce });
    const optimized = await gepa({ candidateSelectionStrategy: 'current-best' }).optimize(parent, context);
    expect(notesOf(optimized)).toEqual([
      'start',
      'reflection 1 on a',
      'reflection 2 on b',
      'merge 3: worse than a parent on 5 rows',
      'reflection 4 on c',
      'merge 5: worse than a parent on 5 rows',
    ]);
  });

  test('are merged in the same way every time: pairs and counts are the search’s own', async () => {
    const [once, again] = [await merging(), await merging()];
    expect(again).toEqual(once);
  });

  test.each([{ useMerge: false }, { maxMergeInvocations: 0 }])('are not merged with %o', async (settings) => {
    expect((await merging(settings)).details).toMatchObject({ merges: { tried: 0, accepted: 0 } });
  });
});
