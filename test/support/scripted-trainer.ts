import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { canonicalJson, type Json } from '../../src/core/json.ts';
import type { Trainer, TrainingSpec } from '../../src/core/trainer.ts';
import { uniformDistribution } from './scripted-model.ts';

export interface ScriptedTrainer extends Trainer {
  readonly specs: readonly TrainingSpec[];
}

/** A trainer whose adapter is the hash of its order: for tests whose point is what happens around a training. */
export function scriptedTrainer(
  options: { readonly onTrain?: () => void; readonly losses?: readonly number[] } = {},
): ScriptedTrainer {
  const { losses = [0.5] } = options;
  const specs: TrainingSpec[] = [];
  return {
    specs,
    identity: async () => ({ trainer: 'scripted' }),
    prepare: async () => null,
    accept: async () => {},
    async train(spec, { folder, probes, onProgress }) {
      specs.push(spec);
      options.onTrain?.();
      onProgress?.({ step: 1, steps: 1, loss: 0.5, secondsLeft: 0 });
      // `as`: a spec is plain data.
      const content = canonicalJson(spec as unknown as Json);
      const sha256 = createHash('sha256').update(content).digest('hex');
      const path = join(folder, 'adapter.gguf');
      writeFileSync(path, content);
      const resumeFrom = join(folder, 'adapter');
      mkdirSync(resumeFrom, { recursive: true });
      writeFileSync(join(resumeFrom, 'weights'), content);
      const flat = probes.flatMap(({ positions }) => positions.map(uniformDistribution));
      return {
        adapter: { sha256, path },
        resumeFrom,
        probeBase: flat,
        probeAdapter: flat,
        rescored: spec.rows.slice(0, 1).map(({ promptIds, completionIds }, row) => ({
          row,
          promptIds,
          completionIds,
          logProbabilities: completionIds.map(() => -Math.log(256)),
        })),
        steps: losses.length,
        keptStep: losses.length,
        losses: losses.map((loss, index) => ({ step: index + 1, loss })),
        forgetting: { positions: 1, meanKl: 0.25, worstKl: 0.5 },
        heldOutLosses: spec.evaluation ? [{ step: 1, loss: 0.75 }] : [],
        supervisedTokens: spec.rows.length,
        seconds: 1,
      };
    },
    async merge({ base, adapter, type }, { folder }) {
      const content = canonicalJson({ base: base.sha256, adapter: adapter.sha256, type });
      const path = join(folder, 'merged.gguf');
      writeFileSync(path, content);
      return { sha256: createHash('sha256').update(content).digest('hex'), path };
    },
    async reference(_, { probes }) {
      const flat = probes.flatMap(({ positions }) => positions.map(uniformDistribution));
      return { base: flat, adapter: flat };
    },
  };
}
