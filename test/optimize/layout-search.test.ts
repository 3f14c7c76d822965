import { describe, expect, test } from 'vitest';
import { candidateOf, predict } from '../../src/core/callable.ts';
import { promptFrame } from '../../src/core/chat-format.ts';
import { example } from '../../src/core/example.ts';
import type { LmRequest } from '../../src/core/lm.ts';
import type { Optimizer } from '../../src/core/optimizer.ts';
import { signature } from '../../src/core/signature.ts';
import { copro } from '../../src/optimize/copro/copro.ts';
import { gepa } from '../../src/optimize/gepa/gepa.ts';
import { labeledFewShot } from '../../src/optimize/labeled-few-shot.ts';
import { bootstrapFewShotWithRandomSearch } from '../../src/optimize/random-search/random-search.ts';
import { optimizerContext } from '../support/optimizer-context.ts';
import { numbers, program, student } from '../support/parity-task.ts';

const examples = (first: number, end: number) =>
  numbers(first, end).map(({ number, kind }) => example({ number }, { kind }));

/** An optimizer on the parity task, before a student that is better when `helps`. */
async function optimized(optimizer: Optimizer, helps: (request: LmRequest) => boolean, maxCalls?: number) {
  const model = student((request) => (helps(request) ? 9 : 5));
  const { structure } = program(model);
  const parent = candidateOf(program(model));
  const data = { train: examples(0, 20), val: examples(20, 40) };
  const { context, notices } = optimizerContext(model, structure, { ...data, ...(maxCalls ? { maxCalls } : {}) });
  const { candidate, trials } = await optimizer.optimize(parent, context);
  return { parent, predictor: candidate.predictors.predict!, trials, notices, structure, model };
}

const fewDemos = { numCandidatePrograms: 0, maxLabeledDemos: 3 };

describe('random search', () => {
  test('tries other chat formats on the best it found', async () => {
    const { predictor } = await optimized(bootstrapFewShotWithRandomSearch(fewDemos), ({ prompt }) =>
      prompt.system.includes('these lines'),
    );
    expect(predictor.chatFormat).toBe('lines');
  });

  test('tries the prompt without its list of labels', async () => {
    const search = bootstrapFewShotWithRandomSearch(fewDemos);
    const { predictor, structure } = await optimized(search, ({ prompt }) => !prompt.system.includes('one of'));
    expect(predictor.labelList).toBe('omitted');
    expect(promptFrame(structure.predictors.predict!, predictor).system).toContain('"kind": a label');
  });

  test('tries the demos the other way round', async () => {
    const { trials } = await optimized(bootstrapFewShotWithRandomSearch(fewDemos), ({ prompt }) =>
      prompt.turns.some(({ assistant }) => assistant !== ''),
    );
    const demosOf = (note: string) =>
      trials.find((trial) => trial.note === note)!.candidate.predictors.predict!.demos.map(({ source }) => source);
    expect(demosOf('the best with its demos reversed')).toEqual(demosOf('labelled demos').toReversed());
  });

  test('keeps each change that scored more, and builds the next one on it', async () => {
    const { predictor } = await optimized(
      bootstrapFewShotWithRandomSearch(fewDemos),
      ({ prompt }) => prompt.system.includes('these lines') && !prompt.system.includes('one of'),
    );
    // Lines alone gained nothing, so the list went first and the lines were not seen again.
    expect(predictor).toMatchObject({ chatFormat: 'json' });
    const format = bootstrapFewShotWithRandomSearch({ ...fewDemos, chatFormats: ['lines'], labelLists: ['omitted'] });
    const graded = await optimized(format, ({ prompt }) => prompt.system.includes('these lines'));
    expect(graded.trials.map(({ note }) => note).slice(-2)).toEqual([
      'the best as lines',
      'the best with its labels omitted',
    ]);
    expect(graded.trials.at(-1)!.candidate.predictors.predict!.chatFormat).toBe('lines');
  });

  test('leaves the layout alone where the lists are empty', async () => {
    const asItIs = { ...fewDemos, chatFormats: [], labelLists: [], demoOrders: [] };
    const { trials } = await optimized(bootstrapFewShotWithRandomSearch(asItIs), () => false);
    expect(trials.map(({ note }) => note).filter((note) => note.startsWith('the best'))).toEqual([]);
  });

  test('says that its start is kept only where the layout is kept too', async () => {
    const search = bootstrapFewShotWithRandomSearch(fewDemos);
    const codes = async (helps: Parameters<typeof optimized>[1]) => (await optimized(search, helps)).notices;
    expect(await codes(() => false)).toContain('start-kept');
    expect(await codes(({ prompt }) => prompt.system.includes('these lines'))).not.toContain('start-kept');
  });
});

describe('an optimizer that was made without a thought of layouts', () => {
  for (const make of [
    () => labeledFewShot({ k: 2, chatFormats: ['value'] }),
    () => copro({ breadth: 2, depth: 1, chatFormats: ['value'] }),
    () => gepa({ auto: null, maxMetricCalls: 60, chatFormats: ['value'] }),
  ])
    test(`tries the layouts that it is told to: ${make().name}`, async () => {
      const { predictor } = await optimized(make(), ({ prompt }) => !prompt.system.includes('JSON'));
      expect(predictor.chatFormat).toBe('value');
    });

  test('tries the choice rules that it is told to', async () => {
    const search = labeledFewShot({ k: 2, choiceRules: ['most-probable'] });
    const { predictor } = await optimized(search, ({ choice }) => choice === 'most-probable');
    expect(predictor.choice).toBe('most-probable');
  });

  test('tries none by itself', async () => {
    const { trials } = await optimized(labeledFewShot({ k: 2 }), () => false);
    expect(trials.map(({ note }) => note)).toEqual(['start', 'labelled demos']);
  });

  test('refuses a chat format that no predictor can use, before it asks anything', async () => {
    const model = student(() => 9);
    const two = predict(signature("number -> kind: 'odd' | 'even', size: 'small' | 'large'")).withLm(model);
    const { context } = optimizerContext(model, two.structure, { train: examples(0, 4), val: examples(4, 8) });
    const wrong = labeledFewShot({ k: 1, chatFormats: ['value'] }).optimize(candidateOf(two), context);
    await expect(wrong).rejects.toThrow('The chat format "value" is for one output');
    expect(model.requests).toEqual([]);
    expect(() => labeledFewShot({ chatFormats: ['yaml' as never] })).toThrow('labeledFewShot.chatFormats');
  });

  test('leaves calls of a small budget for them', async () => {
    const search = bootstrapFewShotWithRandomSearch({ numCandidatePrograms: 40, maxLabeledDemos: 3 });
    const { trials, predictor } = await optimized(search, ({ prompt }) => prompt.system.includes('these lines'), 200);
    expect(trials.map(({ note }) => note)).toContain('the best as lines');
    expect(predictor.chatFormat).toBe('lines');
  });

  test('ends within the budget, and says so', async () => {
    const search = labeledFewShot({ k: 2, chatFormats: ['value', 'lines'] });
    const { model, notices } = await optimized(search, () => false, 70);
    expect(model.requests.length).toBeLessThanOrEqual(70);
    expect(notices).toContain('budget-ends-search');
  });
});
