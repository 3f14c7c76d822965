import type { EmbedCall } from '../core/embedding.ts';
import type { LiveEvent, Progress } from '../core/event.ts';
import type { Fields } from '../core/json.ts';
import type { AdapterFile, Engine, LanguageModel } from '../core/lm.ts';
import type { Store } from '../core/store.ts';
import type { Trainer } from '../core/trainer.ts';
import { type Budget, createBudget } from './budget.ts';
import { rememberingEmbeddings } from './embeddings.ts';
import type { Experiment } from './experiment.ts';
import { type Memory, remembering } from './memory.ts';
import { createModelGate } from './model-gate.ts';
import { type Recorder, recorder } from './recorder.ts';
import { createTimeLimit } from './time-limit.ts';
import { tokensNeeded } from './tokens-needed.ts';

/** What a run needs from outside of the algorithms. */
export interface RunPorts {
  readonly store: Store;
  /** Null: the strategy has no weight step. */
  readonly trainer: Trainer | null;
  /** Examples under way at once; it has no effect on the result. */
  readonly concurrency: number;
  readonly signal: AbortSignal;
  show(event: LiveEvent): void;
  /** Milliseconds, by whatever clock. */
  now(): number;
  /** Calls back at every attempt to reach another machine, until the returned function is called. */
  onNetworkAttempt(listener: (to: string) => void): () => void;
}

/** An open run: the experiment, its memory and its record. */
export interface World {
  readonly id: string;
  readonly experiment: Experiment;
  readonly ports: RunPorts;
  readonly memory: Memory;
  readonly embed: EmbedCall;
  readonly recorder: Recorder;
  readonly budget: Budget;
  /** The experiment's models, through one gate when there are several. */
  readonly models: ReadonlyMap<string, LanguageModel>;
  /** How often the models took turns since this start. */
  modelSwitches(): number;
  engineOf(base: string): Promise<Engine>;
  adapterFile(sha256: string): AdapterFile;
}

export function openWorld(experiment: Experiment, ports: RunPorts, id: string, start: number): World {
  const { store, signal } = ports;
  const progress = (update: Progress) => ports.show({ type: 'progress', progress: update });
  const gate = createModelGate();
  const models =
    experiment.models.size > 1
      ? new Map([...experiment.models].map(([base, model]) => [base, gate.guard(model)]))
      : experiment.models;
  const engines = new Map<string, Promise<Engine>>();
  const engineOf = (base: string): Promise<Engine> => {
    const known = engines.get(base);
    if (known) return known;
    const opened = openEngine(models, store, id, base, () => tokensNeeded(experiment));
    engines.set(base, opened);
    const model = models.get(base)?.base.name ?? base;
    // A failure to open reaches whoever asked for it.
    opened.then((engine) => progress({ type: 'phase', phase: `${model} on ${layoutText(engine)}` })).catch(() => {});
    return opened;
  };
  const adapterFile = (sha256: string): AdapterFile => {
    const path = experiment.adapters.get(sha256)?.path ?? store.file('adapter', sha256);
    if (path === undefined) throw new TypeError(`Adapter ${sha256} is neither in the store nor in the experiment`);
    return { sha256, path };
  };
  const record = recorder(store, id, ports.show);
  const minutes = activeMinutes(ports, id, start);
  const limits = experiment.settings;
  const budget = createBudget({
    limits,
    predictors: Object.keys(experiment.structure.predictors).length,
    time: createTimeLimit({ maxMinutes: limits.maxMinutes, minutes, recorder: record }),
    minutes,
    notice: (notice) => record.record({ type: 'notice', notice }),
  });
  const memory = remembering({
    store,
    run: id,
    start,
    models,
    engineOf,
    adapterFile,
    budget,
    signal,
    onCount: ({ requested, made, remembered }) =>
      progress({ type: 'calls', requested, made, remembered, budget: budget.state() }),
  });
  const embed = rememberingEmbeddings({
    store,
    models,
    engineOf,
    signal,
    onEmbed: (done, total) => progress({ type: 'phase', phase: `embedding: ${done} of ${total} texts` }),
  });
  return {
    id,
    experiment,
    ports,
    memory,
    recorder: record,
    budget,
    embed,
    models,
    modelSwitches: gate.switches,
    engineOf,
    adapterFile,
  };
}

/** Of all starts: those before this one as the store has them, this one by the clock. */
function activeMinutes({ store, now }: RunPorts, id: string, start: number): () => number {
  const before = store.starts(id).reduce((sum, { number, seconds }) => sum + (number === start ? 0 : seconds), 0);
  const began = now();
  return () => (before + (now() - began) / 1000) / 60;
}

/** What the host chose for model and machine, in words. */
const layoutText = ({ device, threads, sequences, contextTokens, batchTokens }: Engine): string =>
  `${device}: ${threads} ${threads === 1 ? 'thread' : 'threads'}, ${sequences} ${sequences === 1 ? 'sequence' : 'sequences'} of ${contextTokens} tokens, batches of ${batchTokens}`;

/** The layout of a run's first start is stored and used at every other one: it is part of every call's key. */
async function openEngine(
  models: World['models'],
  store: Store,
  run: string,
  base: string,
  needed: () => number,
): Promise<Engine> {
  const model = models.get(base);
  if (!model) throw new TypeError(`No model ${base} was given to this run`);
  // `as` twice: engines are plain data, and only engines are stored here.
  const known = store.layout(run, base) as unknown as Engine | undefined;
  const engine = await (known ? model.engine(known) : model.engine(undefined, needed()));
  if (!known) store.addLayout(run, base, engine as unknown as Fields);
  return engine;
}
