import { join } from 'node:path';
import type { Probe, TextRow, TokenRow } from '../../src/core/lm.ts';
import type { LoraSettings, TrainingSettings } from '../../src/core/trainer.ts';
import { type LocalModel, localModel } from '../../src/lm/llama/local-model.ts';
import { probesOf } from '../../src/run/gates.ts';
import type { ImportDtype } from '../../src/trainer/job.ts';
import { type GateFigures, gateFigures, refusingGate } from './gate-figures.ts';
import { finishJobs, python, writeImport, writeTraining } from './trainer-jobs.ts';

/** One way to train an adapter. */
export interface Variant {
  readonly seed: number;
  readonly lora: Partial<LoraSettings>;
  readonly training: Partial<TrainingSettings>;
}

/** What the gates say of an adapter; `fault`: what was planted in it, null for a right one. */
export interface Judged {
  readonly base: string;
  readonly variant: Variant;
  readonly fault: string | null;
  readonly figures: GateFigures;
  /** Code of the gate that refuses it, null when it would be served. */
  readonly gate: string | null;
}

/** A base, and what is tried on it. */
export interface Trial {
  /** Of the base, in tables. */
  readonly name: string;
  readonly gguf: string;
  readonly variants: readonly Variant[];
  readonly dtype?: ImportDtype;
}

interface Setting {
  /** Where everything is made. */
  readonly root: string;
  readonly texts: readonly TextRow[];
  readonly contextTokens: number;
  readonly threads: number;
  /** Faults of damage_adapter.py, each planted in a copy of the last adapter of every base. */
  readonly faults: readonly string[];
  readonly heads: number;
  readonly kvHeads: number;
}

/** Trains every variant on its base, and puts it, and the last of each base with each fault, through the gates. */
export async function judgeAdapters(trials: readonly Trial[], setting: Setting): Promise<Judged[]> {
  const prepared: Prepared[] = [];
  for (const trial of trials) prepared.push(await prepare(trial, setting));
  await finishJobs(prepared.flatMap(({ jobs }) => jobs));
  const judged: Judged[] = [];
  for (const each of prepared) judged.push(...(await judgeBase(each, setting)));
  return judged;
}

interface Prepared {
  readonly trial: Trial;
  readonly rows: readonly TokenRow[];
  readonly probes: readonly Probe[];
  readonly runtimeBase: readonly Float32Array[];
  readonly jobs: readonly string[];
}

const opened = ({ gguf }: Trial, { threads, contextTokens }: Setting): Promise<LocalModel> =>
  localModel({ gguf, device: 'cpu', threads, sequences: 1, contextTokens });

async function prepare(trial: Trial, setting: Setting): Promise<Prepared> {
  const { name, gguf, variants, dtype } = trial;
  const { root, texts, contextTokens, threads } = setting;
  await using model = await opened(trial, setting);
  const rows = await model.encode(texts);
  const probes = probesOf(rows, contextTokens);
  const runtimeBase = await model.logProbabilities(probes, null);
  const files = { root, gguf, base: join(root, `${name}-base`), threads, probes };
  const jobs = [
    writeImport(`${name}-import`, { ...files, ...(dtype && { dtype }) }),
    ...variants.map((variant, index) => writeTraining(`${name}-${index}`, { ...files, rows, ...variant })),
  ];
  return { trial, rows, probes, runtimeBase, jobs };
}

async function judgeBase({ trial, ...prepared }: Prepared, setting: Setting): Promise<Judged[]> {
  const { name, variants } = trial;
  const { root, faults, heads, kvHeads } = setting;
  await using model = await opened(trial, setting);
  const judge = async (index: number, fault: string | null): Promise<Judged> => {
    const folder = join(root, `${name}-${index}`);
    const adapterPath = join(folder, `${fault ?? 'adapter'}.gguf`);
    const shape = ['--heads', `${heads}`, '--kv-heads', `${kvHeads}`];
    if (fault) await python('damage_adapter.py', join(folder, 'adapter.gguf'), adapterPath, fault, ...shape);
    const figures = await gateFigures({ ...prepared, model, folder, adapterPath });
    return { base: name, variant: variants[index]!, fault, figures, gate: refusingGate(figures, model) };
  };
  const judged: Judged[] = [];
  for (const index of variants.keys()) judged.push(await judge(index, null));
  for (const fault of faults) judged.push(await judge(variants.length - 1, fault));
  return judged;
}

/** The faults that an exporter can have. */
export const exportFaults = ['unpermuted', 'halved-alpha', 'first-layer-missing', 'last-layer-missing'] as const;

/** Variants that differ in everything that can be chosen, `count` of them. */
export const variantsOf = (count: number, rate: number): Variant[] =>
  Array.from({ length: count }, (_, index) => {
    const rank = [4, 16, 8, 32, 1][index % 5]!;
    const alpha = rank * [2, 1, 4, 0.5][index % 4]!;
    const topLayers = [null, 2, 1][index % 3]!;
    const steps = [4, 1, 8, 2][Math.floor(index / 2) % 4]!;
    return {
      seed: index,
      lora: { rank, alpha, rsLora: index % 3 === 1, topLayers },
      training: { steps, batch: 4, learningRate: rate },
    };
  });

/** The figures as the lines of a Markdown table. */
export function judgedTable(judged: readonly Judged[]): string {
  const lines = judged.map(({ base, variant, fault, figures, gate }) => {
    const { rank, alpha, rsLora, topLayers } = variant.lora;
    const lora = `r ${rank}, alpha ${alpha}${rsLora ? ', rsLoRA' : ''}, layers ${topLayers ?? 'all'}, ${variant.training.steps} steps`;
    const kls = [figures.base, figures.adapter, figures.trainerEffect].map(({ meanKl }) => meanKl.toExponential(1));
    const others = [figures.effect.share.toFixed(3), figures.rows.meanDifference.toFixed(4), gate ?? 'passes'];
    return `| ${[base, fault ?? lora, ...kls, ...others].join(' | ')} |`;
  });
  const names = ['base', 'adapter', 'base KL', 'adapter KL', 'moves by', 'share', 'rows, nats', 'gate'];
  return [`| ${names.join(' | ')} |`, `|${' --- |'.repeat(names.length)}`, ...lines].join('\n');
}
