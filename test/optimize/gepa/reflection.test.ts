import { describe, expect, test } from 'vitest';
import { candidateOf, type Program, predict, program as programOf } from '../../../src/core/callable.ts';
import { type Example, example } from '../../../src/core/example.ts';
import type { Metric } from '../../../src/core/metric.ts';
import { seededRng } from '../../../src/core/rng.ts';
import { reflect, reflectionRecords } from '../../../src/optimize/gepa/reflection.ts';
import { createProposer } from '../../../src/optimize/proposals.ts';
import { optimizerContext } from '../../support/optimizer-context.ts';
import { parity, program } from '../../support/parity-task.ts';
import { type ScriptedModel, scriptedModel } from '../../support/scripted-model.ts';

const three = example({ number: '3' }, { kind: 'odd' });
const four = example({ number: '4' }, { kind: 'even' });
const settings = { perfectScore: 1, addFormatFailureAsFeedback: false, reflectionTemperature: 1 };

const sayingEven = () => scriptedModel(() => ['even']);

interface Shown {
  readonly examples?: readonly Example[];
  readonly metric?: Metric;
  readonly predictor?: string;
  readonly addFormatFailureAsFeedback?: boolean;
}

/** The rows of a run of the program. */
async function rowsOf<I, O>(model: ScriptedModel, made: Program<I, O>, { examples = [three], metric }: Shown = {}) {
  const options = { train: examples, val: [], ...(metric ? { metric } : {}) };
  const { context } = optimizerContext(model, made.structure, options);
  return (await context.evaluate(candidateOf(made), examples)).rows;
}

/** What the prompt model would see of that. */
async function linesOf<I, O>(model: ScriptedModel, made: Program<I, O>, shown: Shown = {}): Promise<string[]> {
  const { predictor = 'predict', addFormatFailureAsFeedback = false } = shown;
  const rows = await rowsOf(model, made, shown);
  const records = reflectionRecords(rows, predictor, { ...settings, addFormatFailureAsFeedback }, seededRng(0));
  return records.map(({ line }) => line);
}

describe('a record', () => {
  test('has the inputs, the answer and what the metric said, in one line', async () => {
    const model = sayingEven();
    expect(await linesOf(model, program(model))).toEqual([
      'Input number: 3 | Answer kind: even | Feedback: kind should be "odd".',
    ]);
  });

  test('has the score and what was expected where the metric says nothing', async () => {
    const model = sayingEven();
    expect(await linesOf(model, program(model), { metric: () => 0.333333 })).toEqual([
      'Input number: 3 | Answer kind: even | Feedback: Score 0.33 of 1. Expected kind: odd.',
    ]);
    const unlabelled = [example({ number: '3' })];
    expect(await linesOf(model, program(model), { metric: () => 1, examples: unlabelled })).toEqual([
      'Input number: 3 | Answer kind: even | Feedback: Score 1 of 1.',
    ]);
  });

  test('is a failure below the perfect score, whatever feedback there is', async () => {
    const model = sayingEven();
    const metric: Metric = ({ labels }) => ({ score: labels.kind === 'even' ? 1 : 0, feedback: 'Well.' });
    const rows = await rowsOf(model, program(model), { examples: [four, three], metric });
    const records = reflectionRecords(rows, 'predict', settings, seededRng(0));
    // The worst first: shortening takes from the end.
    expect(records.map(({ line, isFailure }) => [line.slice(0, 15), isFailure])).toEqual([
      ['Input number: 3', true],
      ['Input number: 4', false],
    ]);
  });

  test('is about the predictor of that name, also where another one has its signature', async () => {
    const model = scriptedModel(({ prompt }) => [prompt.user === '3' ? 'odd' : 'even']);
    const both = programOf({
      predictors: { first: parity, second: parity },
      run: async ({ number }: { number: string }, call) => {
        await call('first', { number });
        return call('second', { number: `${number}0` });
      },
    }).withLm(model);
    const [first, second] = await Promise.all(
      ['first', 'second'].map((predictor) => linesOf(model, both, { predictor })),
    );
    expect(first).toEqual(['Input number: 3 | Answer kind: odd | Feedback: kind should be "odd".']);
    expect(second).toEqual(['Input number: 30 | Answer kind: even | Feedback: kind should be "odd".']);
  });

  test('is cut where a value is long, and keeps to its line', async () => {
    const model = sayingEven();
    const long = example({ number: `1\n${'2'.repeat(500)}` }, { kind: 'even' });
    const [line] = await linesOf(model, program(model), { examples: [long] });
    expect(line).toMatch(/^Input number: 1\\n2{397}… \| Answer/);
    expect(line).not.toContain('\n');
  });

  test('is there for a row whose program threw after the call', async () => {
    const model = sayingEven();
    const throwing = programOf({
      predictors: { predict: parity },
      run: async (inputs: { number: string }, call) => {
        await call('predict', inputs);
        throw new Error('No such table.');
      },
    }).withLm(model);
    expect(await linesOf(model, throwing)).toEqual([
      'Input number: 3 | Answer kind: even | Feedback: Error: No such table.',
    ]);
  });

  test('of an answer that could not be read is there on request, with what was expected', async () => {
    const model = scriptedModel(() => ['{"kind": "neither"}']);
    const free = predict(parity, { decoding: 'free' }).withLm(model);
    expect(await linesOf(model, free)).toEqual([]);
    const [line] = await linesOf(model, free, { addFormatFailureAsFeedback: true });
    expect(line).toContain('Unreadable answer {"kind": "neither"} | Feedback: ');
    expect(line).toContain('odd');
  });
});

describe('a reflection', () => {
  /** A prompt model that says these one after the other, and what it was asked. */
  async function reflected(texts: readonly string[], examples: readonly Example[], tried: readonly string[] = []) {
    let next = 0;
    const writer = scriptedModel(() => [JSON.stringify(texts[next++] ?? '').slice(1)], 'writer');
    const model = sayingEven();
    const made = program(model);
    const { context } = optimizerContext(model, made.structure, { train: [], val: [], promptModel: writer });
    const proposer = createProposer(context, { leakGuard: 'off' });
    const rows = await rowsOf(model, made, { examples });
    const parent = candidateOf(made);
    const isTried = (candidate: typeof parent) =>
      [parity.instructions, ...tried].includes(candidate.predictors.predict!.instructions);
    const child = await reflect(parent, ['predict'], rows, { settings, proposer, isTried }, seededRng(0));
    return { text: child?.predictors.predict?.instructions ?? null, asked: writer.requests, counts: proposer.counts() };
  }

  test('shows everything first, then the mistakes alone, then only the instructions', async () => {
    const { text, asked } = await reflected(['', '', 'Look at the last digit.'], [three, four]);
    expect(text).toBe('Look at the last digit.');
    const shown = asked.map(({ prompt }) =>
      ['Is the number', 'number: 3', 'number: 4'].map((part) => prompt.user.includes(part)),
    );
    expect(shown).toEqual([
      [true, true, true],
      [true, true, false],
      [true, false, false],
    ]);
  });

  test('asks about no mistakes where there are none', async () => {
    const { asked } = await reflected(['', ''], [four]);
    expect(asked).toHaveLength(2);
  });

  test('asks in another way when what it gets was tried before', async () => {
    const { text, counts } = await reflected(['Count.', 'Look at the last digit.'], [three], ['Count.']);
    expect(text).toBe('Look at the last digit.');
    expect(counts).toMatchObject({ asked: 2, unchanged: 1, usable: 1 });
  });

  test('comes to nothing when all that it gets was tried before', async () => {
    expect((await reflected(['Count.', 'Count.', 'Count.'], [three], ['Count.'])).text).toBeNull();
  });

  test('asks nothing about rows that have nothing to show', async () => {
    expect((await reflected(['Count.'], [])).asked).toEqual([]);
  });
});
