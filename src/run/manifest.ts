import type { RunEvent } from '../core/event.ts';
import type { LanguageModel } from '../core/lm.ts';
import type { Manifest, ManifestAdapter, ManifestModel } from '../core/manifest.ts';
import { describeExperiment, splitId } from './experiment.ts';
import type { World } from './world.ts';

/** What a run was made of, as it is known at its end. */
export async function manifestOf({ id, experiment, ports, hosts }: World): Promise<Manifest> {
  const { splits, seed, strategy, version } = experiment;
  const figures = (split: keyof typeof splits) => ({ rows: splits[split].length, sha256: splitId(splits[split]) });
  const models: ManifestModel[] = [];
  for (const [base, model] of hosts.models) models.push(await modelOf(model, await hosts.engineOf(base)));
  return {
    version,
    given: experiment.given,
    effective: describeExperiment(experiment),
    data: { train: figures('train'), val: figures('val'), test: figures('test') },
    models,
    adapters: adaptersOf(ports.store.events(id)),
    seeds: { run: seed, streams: strategy.map((key, index) => `step-${index + 1}/${key}`) },
    surroundings: (await ports.surroundings?.(experiment.folder)) ?? null,
  };
}

async function modelOf({ base, weights }: LanguageModel, engine: ManifestModel['engine']): Promise<ManifestModel> {
  const { sha256, name, architecture, parameters, fileType } = base;
  const known = { sha256, name, architecture, parameters, fileType };
  if (weights === null) return { ...known, chatTemplate: null, engine };
  const prompt = { system: 'system', turns: [{ user: 'user', assistant: 'assistant' }], user: 'user' };
  const [texts] = await weights.tokenTexts(await weights.encode([{ prompt, pieces: ['answer'] }]));
  return { ...known, chatTemplate: texts!.join(''), engine };
}

function adaptersOf(events: readonly RunEvent[]): ManifestAdapter[] {
  const starts = new Map(events.flatMap((event) => (event.type === 'step-start' ? [[event.step, event.from]] : [])));
  const trainedOn = new Map<number, string>();
  const made = new Map<string, string>();
  return events.flatMap((event): ManifestAdapter[] => {
    if (event.type === 'rows-made') trainedOn.set(event.step, event.rows);
    if (event.type === 'step-end') for (const adapter of adaptersIn(events, event.step)) made.set(event.to, adapter);
    if (event.type !== 'trained') return [];
    const { adapter, step } = event;
    const parent = made.get(starts.get(step) ?? '') ?? null;
    return [{ sha256: adapter, step, dataSet: trainedOn.get(step) ?? null, parent }];
  });
}

const adaptersIn = (events: readonly RunEvent[], of: number): string[] =>
  events.flatMap((event) => (event.type === 'trained' && event.step === of ? [event.adapter] : []));
