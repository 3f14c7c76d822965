import { expect, test } from 'vitest';
import type { RunEvent } from '../../src/core/event.ts';
import { exactMatch } from '../../src/evaluate/metrics.ts';
import { bootstrapFinetune } from '../../src/optimize/bootstrap-finetune.ts';
import { gepa } from '../../src/optimize/gepa/gepa.ts';
import { bootstrapFewShotWithRandomSearch } from '../../src/optimize/random-search/random-search.ts';
import { betterTogetherOver } from '../../src/run/better-together.ts';
import { ownStore } from '../support/own-store.ts';
import { numbers, program, student } from '../support/parity-task.ts';
import { scriptedModel } from '../support/scripted-model.ts';
import { scriptedTrainer } from '../support/scripted-trainer.ts';

const advice = 'Look at the last digit.';
const writer = () => scriptedModel(() => [JSON.stringify(advice).slice(1)], 'writer');
const learner = () =>
  student(({ prompt, model }) => (prompt.system.includes(advice) ? 6 : 3) + (model.adapter ? 2 : 0));

const optimize = betterTogetherOver({
  version: 'test',
  concurrency: 4,
  openStore: () => ownStore(),
  trainer: () => scriptedTrainer(),
  now: () => 0,
  onNetworkAttempt: () => () => {},
  optimizers: () => ({ p: bootstrapFewShotWithRandomSearch(), w: bootstrapFinetune() }),
});
const data = { trainset: numbers(0, 40), valset: numbers(40, 60), testset: numbers(60, 80) };

test('two different prompt optimizers stand around a weight step, and the model that was named writes the instructions', async () => {
  const model = learner();
  const promptModel = writer();
  const together = optimize({
    metric: exactMatch(),
    optimizers: {
      demos: bootstrapFewShotWithRandomSearch({ numCandidatePrograms: 1 }),
      w: bootstrapFinetune(),
      gepa: gepa({ maxMetricCalls: 60 }),
    },
  });
  const run = together.compile(program(model), { ...data, strategy: 'demos -> w -> gepa', promptModel });
  const events: RunEvent[] = [];
  for await (const event of run) if (event.type !== 'progress') events.push(event);
  const best = await run;
  expect(best.summary.candidates.map(({ strategy, val }) => [strategy, val?.mean])).toEqual([
    ['', 0.3],
    ['demos', 0.3],
    ['demos -> w', 0.5],
    ['demos -> w -> gepa', 0.8],
  ]);
  expect(best.drafts.predict?.instructions).toBe(advice);
  expect(promptModel.requests.length).toBeGreaterThan(0);
  expect(promptModel.requests.every(({ model: asked }) => asked.adapter === null)).toBe(true);
  const ends = events.flatMap((event) => (event.type === 'step-end' ? [event] : []));
  expect(ends.at(-1)).toMatchObject({ key: 'gepa', details: { proposals: { usable: 1 } } });
});

test('without a prompt model the student is asked itself, without its adapter; another prompt model is another run', async () => {
  const run = (options: { promptModel?: ReturnType<typeof writer> }) => {
    const model = learner();
    const together = optimize({ metric: exactMatch(), optimizers: { gepa: gepa({ maxMetricCalls: 60 }) } });
    return { model, started: together.compile(program(model), { ...data, strategy: 'gepa', ...options }) };
  };
  const alone = run({});
  const written = run({ promptModel: writer() });
  await Promise.all([alone.started, written.started]);
  const isQuestion = (system: string) => system.includes('newInstructions');
  expect(alone.model.requests.filter(({ prompt }) => isQuestion(prompt.system)).length).toBeGreaterThan(0);
  expect(written.model.requests.filter(({ prompt }) => isQuestion(prompt.system))).toEqual([]);
  expect(alone.started.id).not.toBe(written.started.id);
});
