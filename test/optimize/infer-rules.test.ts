import { describe, expect, test } from 'vitest';
import { candidateOf, program as programOf } from '../../src/core/callable.ts';
import { candidateId, withPredictor } from '../../src/core/candidate.ts';
import { example } from '../../src/core/example.ts';
import { signature, withReasoning } from '../../src/core/signature.ts';
import { inferRules } from '../../src/optimize/infer-rules.ts';
import { type ContextOptions, optimizerContext } from '../support/optimizer-context.ts';
import { numbers, parity, program, rightKind, student } from '../support/parity-task.ts';
import { type ScriptedModel, scriptedModel } from '../support/scripted-model.ts';

const examples = (first: number, end: number) =>
  numbers(first, end).map(({ number, kind }) => example({ number }, { kind }));

/** A student that follows one rule, is a bit better with demos, and worse with any other rule. */
const obedient = () =>
  student(({ prompt: { system, turns } }) => {
    const demos = turns.length > 0 ? 1 : 0;
    return (system.includes('last digit') ? 8 : system.includes('- ') ? 3 : 5) + demos;
  });

/** Answers with these lists of rules one after the other, the last one for ever. */
function finding(...lists: readonly (readonly string[])[]): ScriptedModel {
  let next = 0;
  return writing(() => `${JSON.stringify(lists[Math.min(next++, lists.length - 1)])}}`);
}

const writing = (answer: () => string): ScriptedModel => scriptedModel(() => [answer()], 'writer');

function setting(promptModel: ScriptedModel, options: Partial<ContextOptions> = {}, model = obedient()) {
  const { structure } = program(model);
  const made = optimizerContext(model, structure, {
    train: examples(0, 20),
    val: examples(40, 60),
    promptModel,
    ...options,
  });
  return { ...made, model, writer: promptModel, start: candidateOf(program(model)) };
}

const startText = parity.instructions;
const withRules = (...rules: readonly string[]) =>
  `${startText}\n\nFollow these rules:\n${rules.map((rule) => `- ${rule}`).join('\n')}`;
const instructionsOf = ({ predictors }: ReturnType<typeof candidateOf>, name = 'predict') =>
  predictors[name]?.instructions;
const questions = (writer: ScriptedModel) => writer.requests.map(({ prompt }) => `${prompt.system}\n${prompt.user}`);

/** Rules alone: no demos, and so no calls to get them. */
const bare = { maxBootstrappedDemos: 0, maxLabeledDemos: 0 };
const once = { ...bare, numCandidates: 1 };

describe('inferRules', () => {
  test('appends the best rules to the instructions, and shows all it tried', async () => {
    const { context, start, proposed, notices } = setting(finding(['Guess.'], ['Mind the last digit.', 'Be quick.']));
    const { candidate, trials, details } = await inferRules({
      maxBootstrappedDemos: 2,
      maxLabeledDemos: 2,
      numCandidates: 2,
    }).optimize(start, context);
    const shown = proposed.find(({ note }) => note === 'bootstrapped demos')!.candidate;
    const rules = ['Mind the last digit.', 'Be quick.'];
    expect(shown.predictors.predict?.demos.map(({ inputs }) => inputs.number)).toEqual(['0', '1']);
    expect(candidate).toEqual(withPredictor(shown, 'predict', { instructions: withRules(...rules) }));
    expect(trials.map(({ note, score }) => [note, score])).toEqual([
      ['start', 0.5],
      ['bootstrapped demos', 0.6],
      ['rules 1', 0.4],
      ['rules 2', 0.9],
    ]);
    expect(details).toEqual({
      judgedOn: 'val',
      candidates: [
        { candidate: candidateId(trials[2]!.candidate), rules: { predict: ['Guess.'] }, score: 0.4, rows: 20 },
        { candidate: candidateId(candidate), rules: { predict: rules }, score: 0.9, rows: 20 },
      ],
      rules: { asked: 2, noRoom: 0, unreadable: 0, usable: 3, empty: 0, cut: 0, repeated: 0, quoting: 0 },
    });
    expect(notices).toEqual([]);
  });

  test('keeps the start when rules and demos only tie, and says so', async () => {
    const { context, start, notices } = setting(finding(['Guess.']), { metric: () => 0.5 });
    expect((await inferRules({ numCandidates: 2 }).optimize(start, context)).candidate).toBe(start);
    expect(notices).toEqual(['start-kept']);
  });

  test('gives the rules to the start when demos hurt', async () => {
    const model = student(({ prompt }) => (prompt.turns.length > 0 ? 1 : prompt.system.includes('last digit') ? 8 : 5));
    const { context, start } = setting(finding(['Mind the last digit.']), {}, model);
    const { candidate } = await inferRules({ numCandidates: 1 }).optimize(start, context);
    expect(candidate).toEqual(withPredictor(start, 'predict', { instructions: withRules('Mind the last digit.') }));
  });

  test('judges equal sets of rules once', async () => {
    const { context, start, evaluated } = setting(finding(['Guess.']));
    await inferRules({ ...bare, numCandidates: 4 }).optimize(start, context);
    expect(evaluated.map((candidate) => instructionsOf(candidate))).toEqual([startText, withRules('Guess.')]);
  });

  test.each([
    ['the start', 0, 20],
    ['the demos', 1, 4 + 40],
  ])('looks for no rules once %s cannot be beaten', async (_, demos, calls) => {
    const { context, start, model, writer } = setting(finding(['Guess.']), {
      metric: (_, __, trace) => trace[0]!.request.prompt.turns.length >= demos,
    });
    await inferRules().optimize(start, context);
    expect(writer.requests).toEqual([]);
    expect(model.requests).toHaveLength(calls);
  });

  test('learns from one random half of train and judges on the other without a val split', async () => {
    const { context, start, model, writer } = setting(finding(['Guess.']), { train: examples(10, 30), val: [] });
    const { details } = await inferRules(once).optimize(start, context);
    const learned = [...questions(writer)[0]!.matchAll(/number: (\d+)/g)].map(([, number]) => Number(number));
    const judged = [...new Set(model.requests.map(({ prompt }) => Number(prompt.user)))];
    expect([learned.length, judged.length]).toEqual([10, 10]);
    expect([...learned, ...judged].toSorted()).toEqual(numbers(10, 30).map(({ number }) => Number(number)));
    expect(judged).not.toEqual(numbers(20, 30).map(({ number }) => Number(number)));
    expect(details?.judgedOn).toBe('half of train');
  });

  test.each([
    ['train', examples(0, 0), examples(40, 60)],
    ['val, and only one row of train', examples(0, 1), []],
  ])('keeps the start without %s', async (_, train, val) => {
    const { context, start, writer, notices } = setting(finding(['Guess.']), { train, val });
    expect(await inferRules().optimize(start, context)).toMatchObject({ candidate: start, trials: [] });
    expect(writer.requests).toEqual([]);
    expect(notices).toEqual(['start-kept']);
  });

  test.each([0, 1, 19, 20, 45, 61, 62, 63, 90])('spends a budget of %i calls at most', async (maxCalls) => {
    const { context, start, notices } = setting(finding(['Mind the last digit.'], ['Guess.']), { maxCalls });
    const { candidate } = await inferRules({ maxLabeledDemos: 0 }).optimize(start, context);
    const isFound = instructionsOf(candidate) !== startText;
    // The start, 8 rows for the demos, the demos, a question, the rules.
    expect(isFound).toBe(maxCalls >= 20 + 8 + 20 + 1 + 20);
    expect(notices.filter((code) => code === 'budget-ends-search')).toHaveLength(1);
  });

  test('bootstraps from as many rows as the budget has calls for', async () => {
    const never = student(() => 0);
    const { context, start } = setting(finding(['Guess.']), { maxCalls: 20 + 5 + 20 }, never);
    await inferRules({ maxLabeledDemos: 0 }).optimize(start, context);
    expect(never.requests).toHaveLength(20 + 5);
  });

  test('plans the calls of judging, questions and bootstrapping', () => {
    const optimizer = inferRules({ numCandidates: 3, maxRounds: 2 });
    expect(optimizer.expectedCalls({ train: 10, val: 20, predictors: 2 })).toBe(2 * (5 * 20 + 3 + 2 * 8));
    expect(optimizer.expectedCalls({ train: 10, val: 0, predictors: 2 })).toBe(2 * (5 * 5 + 3 + 2 * 5));
  });
});

describe('rules', () => {
  test('lose their numbers and their repetitions, and blank or cut ones are left out', async () => {
    const rules = [
      '1. Mind the last digit.',
      '- mind the LAST digit.',
      '  ',
      `Long ${'x'.repeat(155)}`,
      'Rule 2: Be\nquick.',
    ];
    const { context, start } = setting(finding(rules));
    const { candidate, details } = await inferRules(once).optimize(start, context);
    expect(instructionsOf(candidate)).toBe(withRules('Mind the last digit.', 'Be quick.'));
    expect(details?.rules).toMatchObject({ asked: 1, usable: 2, repeated: 1, empty: 1, cut: 1 });
  });

  test('are never more than numRules: the answer has no room for another', async () => {
    const { context, start, writer } = setting(finding(['Guess.']));
    await inferRules({ ...once, numRules: 3 }).optimize(start, context);
    expect(writer.requests[0]!.answer).toContainEqual(
      expect.objectContaining({ schema: expect.objectContaining({ minItems: 1, maxItems: 3 }) }),
    );
    expect(questions(writer)[0]).toContain('at most 3 short rules');
  });

  test.each([
    ['reject', ['Mind the last digit.'], 1, []],
    ['flag', ['One two three four five six is even.', 'Mind the last digit.'], 0, ['instructions-quote-a-row']],
    ['off', ['One two three four five six is even.', 'Mind the last digit.'], 0, []],
  ] as const)('may or may not quote a row, each for itself: %s', async (leakGuard, expected, quoting, codes) => {
    const rules = finding(['One two three four five six is even.', 'Mind the last digit.']);
    const quoted = example({ number: 'one two three four five six' }, { kind: 'even' });
    const { context, start, notices } = setting(rules, { val: [...examples(40, 60), quoted] });
    const { candidate, details } = await inferRules({ ...once, leakGuard }).optimize(start, context);
    expect(instructionsOf(candidate)).toBe(withRules(...expected));
    expect(details?.rules).toMatchObject({ quoting });
    expect(notices).toEqual(codes);
  });

  test('quote no row of either half of train without a val split', async () => {
    const texts = ['one two three four five six', 'ten eleven twelve thirteen fourteen fifteen'];
    const train = texts.map((number) => example({ number }, { kind: 'even' }));
    const { context, start } = setting(finding(texts), { train, val: [] });
    const { details } = await inferRules(once).optimize(start, context);
    expect(details?.rules).toMatchObject({ quoting: 2, usable: 0 });
  });

  test('are looked for by the predictor, each from what the examples say of it', async () => {
    const digit = signature("number -> digit: 'low' | 'high'", 'Is the last digit high?');
    const model = scriptedModel(({ prompt }) => [prompt.system.startsWith('Is the last') ? 'low' : 'even']);
    const both = programOf({
      predictors: { digit, kind: parity },
      run: async ({ number }: { number: string }, call) => {
        await call('digit', { number });
        return call('kind', { number });
      },
    }).withLm(model);
    const labels = { kind: 'even', digit: 'low' };
    const { context, notices } = optimizerContext(model, both.structure, {
      train: [example({ number: '2' }, labels), example({ number: '3' }, { kind: 'odd' })],
      val: examples(40, 42),
      metric: (_, __, trace) => (trace[0]!.request.prompt.system.includes('rules') ? 1 : 0),
      promptModel: finding(['For digits.'], ['For kinds.']),
    });
    const { candidate } = await inferRules(once).optimize(candidateOf(both), context);
    expect(instructionsOf(candidate, 'digit')).toContain('- For digits.');
    expect(instructionsOf(candidate, 'kind')).toContain('- For kinds.');
    expect(notices).toEqual([]);
  });
});

describe('the examples that rules are induced from', () => {
  test('come from train only, with the task and the current instructions', async () => {
    const { context, start, writer } = setting(finding(['Guess.']), { val: examples(7340, 7360) });
    await inferRules(once).optimize(start, context);
    const [question] = questions(writer);
    expect(question).toContain('task: It is given number; it answers with kind (one of odd, even).');
    expect(question).toContain(`currentInstructions: ${startText}`);
    expect(question!.match(/number: \d+\nkind: (odd|even)/g)).toHaveLength(20);
    expect(question).not.toMatch(/73[45]\d/);
  });

  test('stand in another order for each set of rules', async () => {
    const { context, start, writer } = setting(finding(['Guess.']));
    await inferRules({ ...bare, numCandidates: 3 }).optimize(start, context);
    expect(new Set(questions(writer)).size).toBe(3);
    expect(new Set(writer.requests.map(({ sampling }) => sampling.seed)).size).toBe(3);
  });

  test('are as many as fit, which is known before anything is asked', async () => {
    const long = example({ number: '7'.repeat(3000) }, { kind: 'odd' });
    const { context, start, writer } = setting(finding(['Guess.']), { train: [long, ...examples(0, 100)] });
    await inferRules(once).optimize(start, { ...context, contextTokens: async () => 800 + 1500 });
    expect(writer.requests).toHaveLength(1);
    const [question] = questions(writer);
    const shown = question!.match(/number: \d+/g)!.length;
    expect(question).not.toContain('777');
    expect(shown).toBeGreaterThan(20);
    expect(question!.length).toBeLessThanOrEqual(1500);
    expect(question!.length).toBeGreaterThan(1500 - 60);
  });

  /** A predictor whose labels do not say how it reasoned, behind one whose output no label names. */
  function chain() {
    const model = scriptedModel(({ prompt }) =>
      prompt.system.startsWith('Spell') ? ['some words"'] : ['because"', rightKind(prompt.user.slice(-1))],
    );
    const spelling = signature('number -> words', 'Spell the number.');
    const chained = programOf({
      predictors: { spell: spelling, decide: withReasoning(parity) },
      run: async ({ number }: { number: string }, call) => {
        await call('spell', { number });
        return call('decide', { number });
      },
    }).withLm(model);
    const promptModel = finding(['Guess.']);
    const made = optimizerContext(model, chained.structure, {
      train: examples(0, 8),
      val: examples(40, 48),
      metric: () => 0.5,
      promptModel,
    });
    return { ...made, writer: promptModel, start: candidateOf(chained) };
  }

  test('need not hold all outputs of a predictor, and are what a teacher showed where labels do not reach it', async () => {
    const { context, start, writer, notices } = chain();
    await inferRules({ numCandidates: 1, maxBootstrappedDemos: 2 }).optimize(start, context);
    const [spelling, deciding] = questions(writer);
    expect(spelling!.match(/number: \d\nwords: some words/g)).toHaveLength(2);
    expect(deciding!.match(/number: \d\nkind: (odd|even)/g)).toHaveLength(8);
    expect(notices).not.toContain('no-labelled-examples');
  });

  test('are missing for a predictor that neither labels nor demos say anything of, which is said', async () => {
    const { context, start, writer, notices } = chain();
    await inferRules(once).optimize(start, context);
    expect(questions(writer).map((text) => text.includes('kind'))).toEqual([true]);
    expect(notices).toContain('no-labelled-examples');
  });
});

describe('the prompt model', () => {
  test('does not end the search with an answer that cannot be read', async () => {
    let asked = 0;
    const { context, start } = setting(writing(() => (asked++ === 0 ? '["cut o' : '["Mind the last digit."]}')));
    const { candidate, details } = await inferRules({ ...bare, numCandidates: 2 }).optimize(start, context);
    expect(instructionsOf(candidate)).toBe(withRules('Mind the last digit.'));
    expect(details?.rules).toMatchObject({ asked: 2, unreadable: 1 });
  });

  test('that proves unable is not asked again, and the demos may still win', async () => {
    const { context, start, writer, notices } = setting(finding([' ']));
    const { candidate } = await inferRules().optimize(start, context);
    expect(writer.requests).toHaveLength(3);
    expect(instructionsOf(candidate)).toBe(startText);
    expect(candidate.predictors.predict?.demos).toHaveLength(16);
    expect(notices).toEqual(['prompt-model-unable']);
  });
});

test('two seeds ask differently, equal seeds ask the same', async () => {
  const asked = async (seed: number) => {
    const { context, start, writer } = setting(finding(['Guess.']), { seed });
    await inferRules({ ...bare, numCandidates: 2 }).optimize(start, context);
    return writer.requests;
  };
  const zero = await asked(0);
  expect(await asked(0)).toEqual(zero);
  expect(await asked(1)).not.toEqual(zero);
});
