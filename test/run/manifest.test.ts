import { expect, test } from 'vitest';
import type { Surroundings } from '../../src/core/manifest.ts';
import { exactMatch } from '../../src/evaluate/metrics.ts';
import { bootstrapFinetune } from '../../src/optimize/bootstrap-finetune.ts';
import { betterTogetherOver } from '../../src/run/better-together.ts';
import { memoryStore } from '../../src/store/sqlite-store.ts';
import { numbers, program, student } from '../support/parity-task.ts';
import { scriptedEngine } from '../support/scripted-model.ts';
import { scriptedTrainer } from '../support/scripted-trainer.ts';

const surroundings: Surroundings = {
  git: { commit: 'c0ffee', changed: [' M metric.ts'], diff: '-0\n+1', diffSha256: 'd1ff' },
  hardware: { system: 'Linux', processor: 'a fast one', cores: 2, memoryBytes: 8e9, node: 'v20' },
  pythonLock: '10c4',
};

test('a manifest says what a run was made of, from the data to the adapters and their parents', async () => {
  const store = memoryStore();
  const together = betterTogetherOver({
    version: '1.2.3',
    concurrency: 4,
    openStore: () => store,
    trainer: () => scriptedTrainer(),
    now: () => 0,
    onNetworkAttempt: () => () => {},
    surroundings: async (folder) => ({ ...surroundings, pythonLock: `of ${folder}` }),
    optimizers: () => ({ p: bootstrapFinetune(), w: bootstrapFinetune() }),
  });
  const model = student(({ model: { adapter } }) => (adapter === null ? 4 : 9));
  const options = { trainset: numbers(0, 40), valset: numbers(40, 60), testset: [], strategy: 'w -> w' as const };
  const run = together({ metric: exactMatch() }).compile(program(model), {
    ...options,
    seed: 7,
    store,
    given: ['run', '--seed', '7'],
    folder: 'experiments',
  });
  const { manifest } = (await run).summary;
  const experiment = store.run(run.id)!.experiment as { splits: { train: string; val: string; test: string } };
  const { splits } = experiment;
  const adapters = store.events(run.id).flatMap((event) => (event.type === 'trained' ? [event.adapter] : []));
  const dataSets = store.events(run.id).flatMap((event) => (event.type === 'rows-made' ? [event.rows] : []));
  const { sha256, name, architecture, parameters, fileType } = model.base;
  expect(manifest).toEqual({
    version: '1.2.3',
    given: ['run', '--seed', '7'],
    effective: experiment,
    data: {
      train: { rows: 40, sha256: splits.train },
      val: { rows: 20, sha256: splits.val },
      test: { rows: 0, sha256: splits.test },
    },
    models: [
      {
        sha256,
        name,
        architecture,
        parameters,
        fileType,
        chatTemplate: expect.stringContaining('assistant'),
        engine: scriptedEngine,
      },
    ],
    adapters: [
      { sha256: adapters[0], step: 1, dataSet: dataSets[0], parent: null },
      { sha256: adapters[1], step: 2, dataSet: dataSets[1], parent: adapters[0] },
    ],
    seeds: { run: 7, streams: ['step-1/w', 'step-2/w'] },
    surroundings: { ...surroundings, pythonLock: 'of experiments' },
  });
  store.close();
});
