import { z } from 'zod';
import { program as programOf } from '../../src/core/callable.ts';
import { example } from '../../src/core/example.ts';
import type { LanguageModel } from '../../src/core/lm.ts';
import type { Optimizer, Trial } from '../../src/core/optimizer.ts';
import { signature } from '../../src/core/signature.ts';
import { exactMatch } from '../../src/evaluate/metrics.ts';
import { bootstrapFinetune } from '../../src/optimize/bootstrap-finetune.ts';
import { defineOptimizer } from '../../src/optimize/define.ts';
import { gepa } from '../../src/optimize/gepa/gepa.ts';
import { labelled } from '../../src/optimize/labeled-few-shot.ts';
import { bootstrapFewShotWithRandomSearch } from '../../src/optimize/random-search/random-search.ts';
import { betterTogetherOver } from '../../src/run/better-together.ts';
import type { CompileOptions } from '../../src/run/compile-options.ts';
import { ownStore } from './own-store.ts';
import { numbers, parity, program } from './parity-task.ts';
import type { ScriptedModel } from './scripted-model.ts';
import { scriptedTrainer } from './scripted-trainer.ts';

/** Never asks what is left: eight sets of labelled demos, one after the other. */
const careless = defineOptimizer({
  name: 'careless',
  kind: 'prompt',
  parameters: z.object({}),
  expectedCalls: () => 0,
  async optimize(_, start, context) {
    const trials: Trial[] = [];
    for (let set = 0; set < 8; set++) {
      const own = { ...context, rng: context.rng.fork(`set/${set}`) };
      const candidate = await labelled(start, { k: set, sample: true, maxDemoTokens: null }, own);
      context.propose(candidate, [start], `set ${set}`);
      const { mean } = await context.evaluate(candidate, context.val);
      trials.push({ candidate, score: mean, note: `set ${set}` });
    }
    return { candidate: trials.at(-1)!.candidate, trials };
  },
});

const optimizers = {
  p: bootstrapFewShotWithRandomSearch({ numCandidatePrograms: 2, maxLabeledDemos: 4 }) as Optimizer,
  g: gepa({ maxMetricCalls: 120 }) as Optimizer,
  c: careless() as Optimizer,
  w: bootstrapFinetune() as Optimizer,
};

/** Asks twice, and of numbers that end with 7 a third time: more calls than predictors. */
const doubter = (model: ScriptedModel) =>
  programOf({
    predictors: { first: parity, second: signature("number -> kind: 'odd' | 'even'", 'Is that really so?') },
    run: async ({ number }: { number: string }, call) => {
      await call('first', { number });
      if (number.endsWith('7')) await call('second', { number: `1${number}` });
      return call('second', { number });
    },
  }).withLm(model);

const rows = (first: number, end: number) =>
  numbers(first, end).map(({ number, kind }) => example({ number }, { kind }));

/** The optimizers, and what a counter went up by while they were at work. */
function watched(counter: () => number) {
  let sum = 0;
  const watch = (optimizer: Optimizer): Optimizer => ({
    ...optimizer,
    async optimize(parent, context) {
      const before = counter();
      try {
        return await optimizer.optimize(parent, context);
      } finally {
        sum += counter() - before;
      }
    },
  });
  const all = Object.fromEntries(Object.entries(optimizers).map(([key, optimizer]) => [key, watch(optimizer)]));
  return { all, sum: () => sum };
}

interface BudgetRunOptions extends Partial<CompileOptions<string>> {
  readonly predictors?: 1 | 2;
  now?(): number;
  /** Goes up with what is made; the run's `madeInSteps` is by how much it did in the steps. */
  counter?(): number;
  readonly promptModel?: LanguageModel;
}

/** A small run under a budget: 24 train rows, 12 val rows, no test. */
export function budgetRun(model: ScriptedModel, options: BudgetRunOptions) {
  const { predictors = 1, now = () => 0, counter = () => 0, store = ownStore(), ...rest } = options;
  const steps = watched(counter);
  const together = betterTogetherOver({
    version: 'test',
    concurrency: 4,
    openStore: () => ownStore(),
    trainer: () => scriptedTrainer(),
    now,
    onNetworkAttempt: () => () => {},
    optimizers: () => steps.all as typeof optimizers,
  });
  const student = predictors === 1 ? program(model) : doubter(model);
  // `as`: both programs have the same outputs.
  const run = together({ metric: exactMatch(), optimizers: steps.all }).compile(student as ReturnType<typeof program>, {
    trainset: rows(0, 24),
    valset: rows(40, 52),
    trainer: scriptedTrainer(),
    store,
    ...rest,
  });
  return { run, madeInSteps: steps.sum };
}
