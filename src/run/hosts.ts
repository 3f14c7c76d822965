import type { ModelRef } from '../core/candidate.ts';
import type { Fields } from '../core/json.ts';
import type { AdapterFile, Engine, LanguageModel } from '../core/lm.ts';
import type { Store } from '../core/store.ts';
import type { Experiment } from './experiment.ts';
import { createModelGate } from './model-gate.ts';
import { tokensNeeded } from './tokens-needed.ts';

/** The models of a run: the experiment's, and the merged files that its weight steps have made. */
export interface Hosts {
  /** By the sha256 of their files, through one gate; merged ones from their first use on. */
  readonly models: ReadonlyMap<string, LanguageModel>;
  /** Who answers for these weights. */
  hostOf(model: ModelRef): Promise<LanguageModel>;
  /** By the sha256 of the model's file. */
  engineOf(file: string): Promise<Engine>;
  adapterFile(sha256: string): AdapterFile;
  /** Closes them all: a GPU has one tenant at a time. */
  release(): Promise<void>;
  /** How often they took turns since this start. */
  switches(): number;
}

interface HostsOptions {
  readonly experiment: Experiment;
  readonly store: Store;
  readonly run: string;
  onOpen(name: string, engine: Engine): void;
}

export function createHosts({ experiment, store, run, onOpen }: HostsOptions): Hosts {
  const gate = createModelGate();
  const models = new Map([...experiment.models].map(([base, model]) => [base, gate.guard(model)]));
  const merged = new Map<string, Promise<LanguageModel>>();
  const engines = new Map<string, Promise<Engine>>();

  const modelOf = (file: string): LanguageModel => {
    const model = models.get(file);
    if (!model) throw new TypeError(`No model ${file} was given to this run`);
    return model;
  };

  const engineOf = (file: string): Promise<Engine> => {
    const known = engines.get(file);
    if (known) return known;
    const opened = openEngine(modelOf(file), store, run, () => tokensNeeded(experiment));
    engines.set(file, opened);
    // A failure to open reaches whoever asked for it.
    opened.then((engine) => onOpen(modelOf(file).base.name, engine)).catch(() => {});
    return opened;
  };

  const openMerged = async (base: string, sha256: string): Promise<LanguageModel> => {
    const path = experiment.adapters.get(sha256)?.path ?? store.file('merged', sha256);
    const { weights } = modelOf(base);
    if (path === undefined || weights === null) throw new TypeError(`There is no file of the merged model ${sha256}`);
    // First, because the merged file takes over the layout.
    await engineOf(base);
    const model = await weights.openMerged({ sha256, path });
    models.set(sha256, model);
    return model;
  };

  return {
    models,
    async hostOf(model) {
      if (model.merged === undefined) return modelOf(model.base);
      const opened = merged.get(model.merged) ?? openMerged(model.base, model.merged);
      merged.set(model.merged, opened);
      return opened;
    },
    engineOf,
    adapterFile(sha256) {
      const path = experiment.adapters.get(sha256)?.path ?? store.file('adapter', sha256);
      if (path === undefined) throw new TypeError(`Adapter ${sha256} is neither in the store nor in the experiment`);
      return { sha256, path };
    },
    async release() {
      for (const model of models.values()) await model.release();
    },
    switches: gate.switches,
  };
}

/** The layout of a run's first start is stored and used at every other one: it is part of every call's key. */
async function openEngine(model: LanguageModel, store: Store, run: string, needed: () => number): Promise<Engine> {
  const file = model.base.sha256;
  // `as` twice: engines are plain data, and only engines are stored here.
  const known = store.layout(run, file) as unknown as Engine | undefined;
  const engine = await (known ? model.engine(known) : model.engine(undefined, needed()));
  if (!known) store.addLayout(run, file, engine as unknown as Fields);
  return engine;
}
