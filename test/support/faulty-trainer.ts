import { copyFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import type { Trained, Trainer, TrainingSpec, TrainOptions } from '../../src/core/trainer.ts';
import { sha256OfFile } from '../../src/system/files.ts';
import { pythonProgram, trainerSource } from '../../src/system/folders.ts';

/** What goes wrong between training and serving: gets what was trained, gives what is handed on. */
export type Fault = (trained: Trained) => Promise<Trained>;

/** A real trainer with a fault behind it. A training that is repeated is found finished, and costs a second. */
export function faultyTrainer(trainer: Trainer, fault: Fault): Trainer {
  return {
    ...trainer,
    async train(spec, options) {
      const adapter = join(options.folder, 'adapter.gguf');
      const right = join(options.folder, 'right.gguf');
      if (existsSync(right)) copyFileSync(right, adapter);
      const trained = await trainer.train(spec, options);
      copyFileSync(adapter, right);
      return fault(trained);
    },
  };
}

/** A fault of the exporter, planted in the adapter's file by python-trainer/tests/damage_adapter.py. */
export const damagedFile =
  (fault: string, { heads, kvHeads }: { readonly heads: number; readonly kvHeads: number }): Fault =>
  async (trained) => {
    const { path } = trained.adapter;
    const source = join(path, '..', 'right.gguf');
    const script = join(trainerSource(), 'tests', 'damage_adapter.py');
    await execa(pythonProgram(), [script, source, path, fault, '--heads', `${heads}`, '--kv-heads', `${kvHeads}`]);
    return { ...trained, adapter: { path, sha256: await sha256OfFile(path) } };
  };

/** The adapter of another training in the place of this one's. */
export const replacedBy =
  (other: () => string): Fault =>
  async (trained) => {
    const { path } = trained.adapter;
    copyFileSync(other(), path);
    return { ...trained, adapter: { path, sha256: await sha256OfFile(path) } };
  };

/** A trainer that makes token ids of its own. */
export const retokenizing = (
  trainer: Trainer,
  rowsOf: (spec: TrainingSpec) => Promise<TrainingSpec['rows']>,
): Trainer => ({
  ...trainer,
  train: async (spec: TrainingSpec, options: TrainOptions) =>
    trainer.train({ ...spec, rows: await rowsOf(spec) }, options),
});
