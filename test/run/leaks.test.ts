import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { predict } from '../../src/core/callable.ts';
import { type Demo, withPredictor } from '../../src/core/candidate.ts';
import type { Example } from '../../src/core/example.ts';
import type { Fields } from '../../src/core/json.ts';
import type { FitOrder, Optimizer, OptimizerContext } from '../../src/core/optimizer.ts';
import { exactMatch } from '../../src/evaluate/metrics.ts';
import { defineOptimizer } from '../../src/optimize/define.ts';
import { labeledFewShot } from '../../src/optimize/labeled-few-shot.ts';
import { betterTogetherOver } from '../../src/run/better-together.ts';
import type { CompileOptions } from '../../src/run/compile-options.ts';
import { memoryStore } from '../../src/store/sqlite-store.ts';
import { numbers, parity, student } from '../support/parity-task.ts';
import { scriptedTrainer } from '../support/scripted-trainer.ts';

const stealsDemo = (from: (context: OptimizerContext) => readonly Example[], proposes: boolean) =>
  defineOptimizer({
    name: 'thief',
    kind: 'prompt',
    layouts: 'own',
    parameters: z.object({}),
    expectedCalls: () => 0,
    async optimize(_, parent, context) {
      const [{ inputs, labels }] = from(context) as [Example];
      // A demo that hides where it comes from.
      const demos = [{ inputs, outputs: labels, source: 'made by hand' }];
      const candidate = withPredictor(parent, Object.keys(parent.predictors)[0]!, { demos });
      if (proposes) context.propose(candidate, [parent], 'stolen');
      return { candidate, trials: [] };
    },
  })();

const trainsOnVal = defineOptimizer({
  name: 'thief',
  kind: 'weights',
  parameters: z.object({}),
  expectedCalls: () => 0,
  async optimize(_, parent, context) {
    const [{ id, inputs, labels }] = context.val as [Example];
    const prompt = { system: '', turns: [], user: String(inputs.number) };
    const pieces = [String(labels.kind)];
    const row = { prompt, pieces, predictor: 'predict', example: id, from: 'labelled' as const, label: null };
    const { base } = Object.values(parent.predictors)[0]!.model;
    // `as`: it is refused before anybody looks at how it would be trained.
    await context.fit({ base, startFrom: null, rows: [row], seed: 0, dropped: {} } as unknown as FitOrder);
    return { candidate: parent, trials: [] };
  },
})();

interface Setting extends Partial<CompileOptions<string>> {
  readonly p?: Optimizer;
  /** What the student shows from the beginning. */
  readonly demos?: readonly Demo[];
}

function start({ p = labeledFewShot(), demos = [], ...options }: Setting) {
  const model = student(() => 5);
  const together = betterTogetherOver({
    version: 'test',
    concurrency: 4,
    openStore: () => memoryStore(),
    trainer: () => scriptedTrainer(),
    now: () => 0,
    onNetworkAttempt: () => () => {},
    optimizers: () => ({ p, w: p }),
  });
  const data = { trainset: numbers(0, 20), valset: numbers(20, 40), testset: numbers(40, 60), strategy: 'p' as const };
  const run = () =>
    together({ metric: exactMatch() }).compile(predict(parity, { demos }).withLm(model), { ...data, ...options });
  return { model, run };
}

describe('test rows', () => {
  test.each([
    ['train', { testset: [...numbers(40, 60), ...numbers(3, 4)] }, 'trainset[3] (train), testset[20] (test)'],
    ['val', { testset: [...numbers(40, 60), ...numbers(25, 26)] }, 'valset[5] (val), testset[20] (test)'],
    [
      'the trainset of one step',
      { optimizerCompileArgs: { p: { trainset: numbers(40, 42) } } },
      'testset[0] (test), p.trainset[0] (train)',
    ],
  ])('are refused where they stand in %s, before anything is asked', (_, options, fact) => {
    const { model, run } = start(options as Partial<CompileOptions<string>>);
    expect(run).toThrow(`${fact}: the same inputs`);
    expect(model.requests).toEqual([]);
  });

  test('are refused where the student shows them', () => {
    const demos = [{ inputs: { number: '41' }, outputs: { kind: 'odd' }, source: 'by hand' }];
    const { run } = start({ demos });
    expect(run).toThrow('testset[1] (test), demo 1 of predict (train): the same inputs');
  });

  test('are named by the places that the caller gave', () => {
    const leaked = numbers(3, 4);
    const places = new Map<Fields, string>([[leaked[0]!, 'rows.csv:77']]);
    expect(start({ testset: leaked, places }).run).toThrow('trainset[3] (train), rows.csv:77 (test): the same inputs');
  });

  test('may leak where that is allowed, which goes on record', async () => {
    const { run } = start({ testset: [...numbers(40, 60), ...numbers(3, 4)], allowLeaks: true });
    const { summary } = await run();
    expect(summary.notices.filter(({ code }) => code === 'test-leak')).toEqual([
      {
        code: 'test-leak',
        message: 'test rows that stand in train or val too: 1 (test scores would be too good: keep each in one split).',
      },
    ]);
  });
});

describe('an optimizer', () => {
  const failures = async (p: Optimizer) => {
    const store = memoryStore();
    const run = start({ p, store }).run();
    const { summary } = await run;
    const failed = store.events(run.id).flatMap((event) => (event.type === 'step-failed' ? [event.code] : []));
    store.close();
    return [summary.flagCompilationErrorOccurred, failed];
  };

  test.each([
    ['proposes it', true],
    ['hands it on without a word', false],
  ])('that makes a demo out of a val row fails its step when it %s', async (_, proposes) => {
    expect(await failures(stealsDemo(({ val }) => val, proposes))).toEqual([true, ['sealed-row']]);
  });

  test('that trains on a val row fails its step before anything is trained', async () => {
    expect(await failures(trainsOnVal)).toEqual([true, ['sealed-row']]);
  });

  test('may make a demo out of a train row', async () => {
    expect(await failures(stealsDemo(({ train }) => train, true))).toEqual([false, []]);
  });
});
