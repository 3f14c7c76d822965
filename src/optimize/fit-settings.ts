import { z } from 'zod';
import type { BaseFacts } from '../core/optimizer.ts';
import type { LoraSettings, TrainingSettings } from '../core/trainer.ts';

/** Below this many parameters a model learns a task best in few, large steps in its upper layers. */
export const smallModel = 500e6;

/** Null: chosen when the step knows its model and its rows. */
export const optional = <T extends z.ZodType>(type: T) => type.nullable().default(null);

/** How an adapter is trained. */
export const fitParameters = {
  /** `sft`: good answers are learned. `dpo`: good answers gain on failed ones to the same question. */
  method: z.enum(['sft', 'dpo']).default('sft'),
  /** With `dpo`, how strongly the model is held to what it was when training began; null: 0.1. */
  beta: optional(z.number().positive()),
  rank: optional(z.int().positive()),
  alpha: optional(z.number().positive()),
  dropout: z.number().min(0).max(0.9).default(0),
  rsLora: z.boolean().default(false),
  /** Layers from the top that get an adapter; null: a third below 500 M parameters, else all. */
  topLayers: optional(z.int().positive()),
  /**
   * Which linear layers of the decoder blocks: all of them, those of one part, or names such as `q_proj`. What cannot be served from a LoRA
   * file, and what the model does not have, is refused by name before training.
   */
  targets: z.union([z.enum(['all', 'attention', 'mlp']), z.array(z.string().min(1)).min(1)]).default('all'),
  /** Null: 2e-3 below 500 M parameters, else 2e-4; for `dpo` a tenth of that. */
  learningRate: optional(z.number().positive()),
  /** Rows per optimizer step. */
  batch: optional(z.int().positive()),
  /** Passes over the rows. Null, and `steps` null too: 2 below 500 M parameters, but at least 50 steps; else 3. */
  epochs: optional(z.number().positive()),
  /** Optimizer steps, in place of `epochs`. */
  steps: optional(z.int().positive()),
  /** Null: 3, or all steps where they are fewer. */
  warmupSteps: optional(z.int().min(0)),
  /** How the learning rate goes on after the warm-up; `linear` and `cosine` end at 0. */
  schedule: z.enum(['constant', 'linear', 'cosine']).default('constant'),
  precision: z.enum(['auto', 'autocast-bf16', 'float32', 'bfloat16']).default('auto'),
  /** `4bit` holds the frozen base in 4 bits while training (QLoRA); it needs CUDA, and is refused elsewhere. */
  quantization: z.enum(['none', '4bit']).default('none'),
};

export type FitChoices = z.output<z.ZodObject<typeof fitParameters>>;

/**
 * What the user left open, by the size of the model. Small: the upper third of the layers and a high rate, with which 50 steps took the
 * default model from .36 to .97 on ten intents. Large: all layers at the rate that suits LoRA in general, up to three epochs.
 */
export function fitSettings(
  settings: FitChoices,
  { parameters, layers }: BaseFacts,
  rows: number,
): { lora: LoraSettings; training: TrainingSettings } {
  const small = parameters < smallModel;
  const batch = settings.batch ?? (small ? 8 : 16);
  const epochs = settings.epochs ?? (small ? 2 : 3);
  const epochSteps = Math.ceil(epochs * Math.ceil(rows / batch));
  const steps = settings.steps ?? (small && settings.epochs === null ? Math.max(50, epochSteps) : epochSteps);
  const { method, dropout, rsLora, targets, schedule, precision, quantization } = settings;
  return {
    lora: {
      rank: settings.rank ?? 16,
      alpha: settings.alpha ?? 32,
      dropout,
      rsLora,
      topLayers: settings.topLayers ?? (small ? Math.ceil(layers / 3) : null),
      targets,
    },
    training: {
      method,
      beta: method === 'dpo' ? (settings.beta ?? 0.1) : null,
      steps,
      batch,
      learningRate: settings.learningRate ?? (small ? 2e-3 : 2e-4) * (method === 'dpo' ? 0.1 : 1),
      warmupSteps: settings.warmupSteps ?? Math.min(3, steps),
      schedule,
      precision,
      quantization,
    },
  };
}
