import { describe, expect, test } from 'vitest';
import { candidateOf, predict } from '../../../src/core/callable.ts';
import { candidateId, withPredictor } from '../../../src/core/candidate.ts';
import { example } from '../../../src/core/example.ts';
import { copro } from '../../../src/optimize/copro/copro.ts';
import { labelled } from '../../../src/optimize/labeled-few-shot.ts';
import { type ContextOptions, optimizerContext } from '../../support/optimizer-context.ts';
import { numbers, pairProgram, parity, program, student } from '../../support/parity-task.ts';
import { answered } from '../../support/responses.ts';
import { type ScriptedModel, scriptedModel } from '../../support/scripted-model.ts';

const examples = (first: number, end: number) =>
  numbers(first, end).map(({ number, kind }) => example({ number }, { kind }));

const startText = parity.instructions;

/** What each instruction is worth to the student; any other is worth 3. */
const worth: { readonly [instructions: string]: number } = {
  [startText]: 5,
  'Guess.': 2,
  'Mind the end.': 7,
  'Last digit!': 9,
};
const obedient = () => student(({ prompt }) => worth[prompt.system.split('\n')[0]!] ?? 3);

/** Says these one after the other, the last one for ever. */
function saying(...texts: readonly string[]): ScriptedModel {
  let next = 0;
  // A JSON string's body, with the quote that ends it.
  return scriptedModel(() => [JSON.stringify(texts[Math.min(next++, texts.length - 1)]!).slice(1)], 'writer');
}

function setting(promptModel: ScriptedModel, options: Partial<ContextOptions> = {}) {
  const model = obedient();
  const { structure } = program(model);
  const made = optimizerContext(model, structure, {
    train: examples(0, 20),
    val: examples(40, 60),
    promptModel,
    ...options,
  });
  return { ...made, model, writer: promptModel, start: candidateOf(program(model)) };
}

const small = { breadth: 3, depth: 1 };
const instructionsOf = ({ predictors }: ReturnType<typeof candidateOf>, name = 'predict') =>
  predictors[name]?.instructions;

describe('the ascent', () => {
  test('finds the best of the instructions that it was given, and shows all it tried', async () => {
    const { context, start, proposed, notices } = setting(
      saying('Guess.', 'Mind the end.', 'Last digit!', 'Why?', 'Oh.'),
    );
    const [guess, mind, last, why, oh] = ['Guess.', 'Mind the end.', 'Last digit!', 'Why?', 'Oh.'].map((instructions) =>
      withPredictor(start, 'predict', { instructions }),
    );
    const tried = (depth: number, candidate: typeof start, score: number) => ({
      depth,
      candidate: candidateId(candidate),
      score,
      rows: 20,
    });
    expect(await copro({ breadth: 3, depth: 2 }).optimize(start, context)).toEqual({
      candidate: last,
      trials: [
        { candidate: start, score: 0.5, note: 'start' },
        { candidate: guess, score: 0.2, note: 'predict: instructions of depth 1' },
        { candidate: mind, score: 0.7, note: 'predict: instructions of depth 1' },
        { candidate: last, score: 0.9, note: 'predict: instructions of depth 2' },
        { candidate: why, score: 0.3, note: 'predict: instructions of depth 2' },
        { candidate: oh, score: 0.3, note: 'predict: instructions of depth 2' },
      ],
      details: {
        judgedOn: 'val',
        attempts: {
          predict: [
            tried(0, start, 0.5),
            tried(1, guess!, 0.2),
            tried(1, mind!, 0.7),
            tried(2, last!, 0.9),
            tried(2, why!, 0.3),
            tried(2, oh!, 0.3),
          ],
        },
        proposals: expect.objectContaining({ asked: 5, usable: 5, repeated: 0 }),
      },
    });
    expect(proposed.map(({ candidate }) => candidate)).toEqual([guess, mind, last, why, oh]);
    expect(notices).toEqual([]);
  });

  test('leaves demos, weights and layout as they are', async () => {
    const { context, start } = setting(saying('Last digit!'));
    const shown = await labelled(start, { k: 2, sample: false, maxDemoTokens: null }, context);
    const { candidate } = await copro(small).optimize(shown, context);
    expect(candidate).toEqual(withPredictor(shown, 'predict', { instructions: 'Last digit!' }));
  });

  test('keeps the start when a proposal only ties, and says so', async () => {
    const { context, start, notices } = setting(saying('Why?', 'Guess.'), { metric: () => 0.5 });
    expect((await copro(small).optimize(start, context)).candidate).toBe(start);
    expect(notices).toEqual(['start-kept']);
  });

  test('lets the first proposal win ties with keepStart: false', async () => {
    const { context, start } = setting(saying('Why?', 'Guess.'), { metric: () => 0.5 });
    const { candidate, trials } = await copro({ ...small, keepStart: false }).optimize(start, context);
    expect(instructionsOf(candidate)).toBe('Why?');
    expect(trials.map((trial) => instructionsOf(trial.candidate))).toEqual(['Why?', 'Guess.', startText]);
  });

  test('judges equal proposals once, and counts the others', async () => {
    const { context, start, evaluated } = setting(saying('Guess.', 'Guess.', 'Why?', 'Guess.', 'Why?'));
    const { details } = await copro({ breadth: 3, depth: 2 }).optimize(start, context);
    expect(evaluated.map((candidate) => instructionsOf(candidate))).toEqual([startText, 'Guess.', 'Why?']);
    expect(details?.proposals).toMatchObject({ usable: 5, repeated: 3 });
  });

  test('stops judging what can no longer win', async () => {
    const { context, start, model } = setting(saying('Guess.'), { val: examples(100, 200) });
    const { trials, details } = await copro({ breadth: 2, depth: 1 }).optimize(start, context);
    // Of 64 numbers it was right on 14, and the 36 others would have made it 50: no more than the start's.
    expect(model.requests).toHaveLength(100 + 64);
    expect(trials.map(({ score }) => score)).toEqual([0.5, null]);
    expect(details?.attempts).toMatchObject({
      predict: [
        { score: 0.5, rows: 100 },
        { score: 14 / 64, rows: 64 },
      ],
    });
  });

  test('ends where nothing can be better', async () => {
    const { context, start, writer } = setting(saying('Guess.', 'Why?'), { metric: () => 1 });
    await copro(small).with({ depth: 3 }).optimize(start, context);
    expect(writer.requests).toHaveLength(2);
  });

  test('judges on train without a val split, no example with its own demo', async () => {
    const { context, start, model } = setting(saying('Last digit!'), { train: examples(0, 10), val: [] });
    const shown = await labelled(start, { k: 4, sample: false, maxDemoTokens: null }, context);
    const { candidate, details } = await copro(small).optimize(shown, context);
    expect(instructionsOf(candidate)).toBe('Last digit!');
    expect(details?.judgedOn).toBe('train');
    expect(model.requests.filter(({ prompt }) => prompt.turns.some(({ user }) => user === prompt.user))).toEqual([]);
  });

  test('keeps the start when there is nothing to judge on', async () => {
    const { context, start, writer, notices } = setting(saying('Last digit!'), { train: [], val: [] });
    expect((await copro(small).optimize(start, context)).candidate).toBe(start);
    expect(writer.requests).toEqual([]);
    expect(notices).toEqual(['start-kept']);
  });

  test('calibrates the children of a calibrated start anew', async () => {
    const model = scriptedModel(({ answer, choice, prompt }) => {
      const probabilities = prompt.system.startsWith(startText) ? [0.5, 0.5] : [0.2, 0.8];
      const value = prompt.system.startsWith(startText) || Number(prompt.user) % 2 === 0 ? 'even' : 'odd';
      const outcome = { confidence: 0.8, probabilities: choice === 'greedy' ? null : probabilities };
      return answered(
        answer!.map((part) => (part.type === 'text' ? part.text : value)),
        { choices: answer!.map((part) => (part.type === 'choice' ? outcome : null)) },
      );
    });
    const calibrated = predict(parity, { choice: { priors: { kind: [0.5, 0.5] } } }).withLm(model);
    const { context } = optimizerContext(model, calibrated.structure, {
      train: examples(0, 20),
      val: examples(40, 60),
      promptModel: saying('Last digit!'),
    });
    const { candidate } = await copro(small).optimize(candidateOf(calibrated), context);
    expect(candidate.predictors.predict?.choice).toEqual({
      priors: { kind: [expect.closeTo(0.2), expect.closeTo(0.8)] },
    });
  });
});

/** A program that asks both of its predictors. */
function pair() {
  const model = obedient();
  const both = pairProgram(model);
  return { model, structure: both.structure, start: candidateOf(both) };
}

test('with several predictors goes on from the best program so far, and judges no program twice', async () => {
  const { model, structure, start } = pair();
  const depthOne = ['Last digit!', 'Guess.', 'Guess.', 'Mind the end.'];
  const depthTwo = ['Why?', 'Oh.', 'Mind the end.', 'Why?', 'Oh.', 'Last digit!'];
  const { context, evaluated } = optimizerContext(model, structure, {
    train: examples(0, 20),
    val: examples(40, 60),
    metric: ({ labels }, _, trace) => trace.filter(({ outputs }) => outputs?.kind === labels.kind).length / 2,
    promptModel: saying(...depthOne, ...depthTwo),
  });
  const { candidate, trials } = await copro({ breadth: 3, depth: 2 }).optimize(start, context);
  const texts = (tried: typeof candidate) => ['first', 'second'].map((name) => instructionsOf(tried, name));
  expect(trials.map((trial) => [...texts(trial.candidate), trial.score])).toEqual([
    [startText, startText, 0.5],
    ['Last digit!', startText, 0.7],
    ['Guess.', startText, 0.35],
    ['Last digit!', 'Guess.', 0.55],
    ['Last digit!', 'Mind the end.', 0.8],
    ['Why?', 'Mind the end.', 0.5],
    ['Oh.', 'Mind the end.', 0.5],
    ['Mind the end.', 'Mind the end.', 0.7],
    ['Last digit!', 'Why?', 0.6],
    ['Last digit!', 'Oh.', 0.6],
    ['Last digit!', 'Last digit!', 0.9],
  ]);
  expect(texts(candidate)).toEqual(['Last digit!', 'Last digit!']);
  expect(new Set(evaluated.map(candidateId)).size).toBe(evaluated.length);
});

describe('the prompt model', () => {
  const questions = (writer: ScriptedModel) => writer.requests.map(({ prompt }) => `${prompt.system}\n${prompt.user}`);

  test('is shown the task with its labels and the start first, then what was tried, the best one last', async () => {
    const { context, start, writer } = setting(saying('Last digit!', 'Guess.', 'Why?'));
    await copro({ breadth: 3, depth: 2 }).optimize(start, context);
    const [first, , second] = questions(writer);
    expect(first).toContain('It is given number; it answers with kind (one of odd, even).');
    expect(first).toContain(`currentInstructions: ${startText}`);
    expect(second).toContain(
      `Instructions: Guess.\nScore: 0.20\n\nInstructions: ${startText}\nScore: 0.50\n\nInstructions: Last digit!\nScore: 0.90`,
    );
    expect(second).not.toContain('currentInstructions');
  });

  test('is shown fewer attempts, the best ones, where not all fit its context', async () => {
    const weak = ['a', 'b', 'c', 'd'].map((letter) => `Why ${letter.repeat(300)}?`);
    const { context, start, writer } = setting(saying(...weak, 'Last digit!', 'Oh.'));
    await copro({ breadth: 6, depth: 2 }).optimize(start, { ...context, contextTokens: async () => 512 + 1500 });
    const last = questions(writer).at(-1)!;
    expect(last).toContain('Instructions: Last digit!\nScore: 0.90');
    expect(last).not.toContain(weak[3]);
  });

  test('never sees a val row', async () => {
    const { context, start, writer } = setting(saying('Guess.', 'Why?'), { val: examples(7340, 7360) });
    await copro({ breadth: 3, depth: 2 }).optimize(start, context);
    expect(questions(writer).filter((text) => /73[45]\d/.test(text))).toEqual([]);
  });

  test('is asked at the initial temperature', async () => {
    const { context, start, writer } = setting(saying('Guess.', 'Why?'));
    await copro({ ...small, initTemperature: 0.7 }).optimize(start, context);
    expect(writer.requests.map(({ sampling }) => sampling.temperature)).toEqual([0.7, 0.7]);
  });

  test('does not end the search with an answer that cannot be read', async () => {
    let asked = 0;
    const writer = scriptedModel(() => [asked++ === 0 ? 'cut off' : 'Last digit!"'], 'writer');
    const { context, start } = setting(writer);
    const { candidate, details } = await copro(small).optimize(start, context);
    expect(instructionsOf(candidate)).toBe('Last digit!');
    expect(details?.proposals).toMatchObject({ unreadable: 1, usable: 2 });
  });

  test('that proves unable is not asked again, and costs the student nothing', async () => {
    const { context, start, model, writer, notices } = setting(saying(''));
    expect(await copro().optimize(start, context)).toMatchObject({ candidate: start, trials: [] });
    expect(model.requests).toEqual([]);
    expect(writer.requests).toHaveLength(6);
    expect(notices).toEqual(['prompt-model-unable', 'start-kept']);
  });

  test.each([
    ['reject', startText, []],
    ['flag', 'one two three four five six', ['instructions-quote-a-row']],
    ['off', 'one two three four five six', []],
  ] as const)('may or may not quote a row: %s', async (leakGuard, expected, codes) => {
    const rows = [...examples(40, 60), example({ number: 'one two three four five six' }, { kind: 'even' })];
    const { context, start, notices } = setting(saying('one two three four five six'), {
      val: rows,
      metric: (_, __, trace) => trace[0]!.request.prompt.system.startsWith('one two'),
    });
    const { candidate } = await copro({ breadth: 2, depth: 1, leakGuard }).optimize(start, context);
    expect(instructionsOf(candidate)).toBe(expected);
    expect(notices.filter((code) => code !== 'start-kept')).toEqual(codes);
  });
});

test('two seeds ask differently, equal seeds ask the same', async () => {
  const asked = async (seed: number) => {
    const { context, start, writer } = setting(saying('Guess.', 'Why?', 'Oh.'), { seed });
    await copro({ breadth: 3, depth: 2 }).optimize(start, context);
    return writer.requests.map(({ sampling }) => sampling.seed);
  };
  const [zero, again, one] = [await asked(0), await asked(0), await asked(1)];
  expect(again).toEqual(zero);
  expect(one).not.toEqual(zero);
  expect(new Set(zero).size).toBe(zero.length);
});

test.each([0, 1, 30, 42, 43, 70, 100])(
  'spends a budget of %i calls at most, and returns the best so far',
  async (maxCalls) => {
    const { context, start, notices } = setting(saying('Last digit!', 'Guess.', 'Why?', 'Oh.'), { maxCalls });
    const { candidate } = await copro({ breadth: 3, depth: 3 }).optimize(start, context);
    // Two tries of a proposal, the start and the proposal: 2 + 2 * 20 calls.
    expect(instructionsOf(candidate)).toBe(maxCalls < 42 ? startText : 'Last digit!');
    expect(notices.filter((code) => code === 'budget-ends-search')).toHaveLength(1);
  },
);

describe('proposals that the budget could not judge are not asked for', () => {
  test.each([
    [41, 0],
    [42, 1],
    [62, 1],
    [63, 2],
  ])('of %i calls, %i are for proposals', async (maxCalls, asked) => {
    const { context, start, writer } = setting(saying('Guess.', 'Why?'), { maxCalls });
    await copro(small).optimize(start, context);
    expect(writer.requests).toHaveLength(asked);
  });

  test.each([
    [122, 1],
    [123, 2],
  ])('of %i calls for two predictors, %i are for proposals', async (maxCalls, asked) => {
    const { model, structure, start } = pair();
    const promptModel = saying('Guess.', 'Why?');
    const rows = { train: examples(0, 20), val: examples(40, 60) };
    const { context } = optimizerContext(model, structure, { ...rows, promptModel, maxCalls });
    await copro({ breadth: 2, depth: 1 }).optimize(start, context);
    expect(promptModel.requests).toHaveLength(asked);
  });
});

test('plans its calls: proposals, and the whole program on every row for each of them and the start', () => {
  const sizes = { train: 50, val: 20, predictors: 2 };
  expect(copro({ breadth: 3, depth: 2 }).expectedCalls(sizes)).toBe(10 + 11 * 20 * 2);
  expect(copro({ breadth: 3, depth: 2 }).expectedCalls({ ...sizes, val: 0 })).toBe(10 + 11 * 50 * 2);
});

test('refuses a breadth that leaves nothing to propose', () => {
  expect(() => copro({ breadth: 1 })).toThrow('copro.breadth');
  expect(copro().parameters).toMatchObject({
    breadth: 10,
    depth: 3,
    initTemperature: 1.4,
    leakGuard: 'reject',
    keepStart: true,
    stopLosers: true,
    racing: null,
  });
});
