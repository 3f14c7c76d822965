import type { EmbedCall } from '../core/embedding.ts';
import type { LiveEvent, Progress } from '../core/event.ts';
import type { Engine } from '../core/lm.ts';
import type { Surroundings } from '../core/manifest.ts';
import type { Store } from '../core/store.ts';
import type { Trainer } from '../core/trainer.ts';
import { type Budget, createBudget } from './budget.ts';
import { rememberingEmbeddings } from './embeddings.ts';
import type { Experiment } from './experiment.ts';
import { createHosts, type Hosts } from './hosts.ts';
import { type Memory, remembering } from './memory.ts';
import { type Recorder, recorder } from './recorder.ts';
import { createTimeLimit } from './time-limit.ts';

/** What a run needs from outside of the algorithms. */
export interface RunPorts {
  readonly store: Store;
  /** Null: the strategy has no weight step. */
  readonly trainer: Trainer | null;
  /** Examples under way at once; it has no effect on the result. */
  readonly concurrency: number;
  readonly signal: AbortSignal;
  show(event: LiveEvent): void;
  /** Machine and folder, for the manifest; absent: it says nothing of them. */
  surroundings?(folder: string): Promise<Surroundings>;
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
  readonly hosts: Hosts;
}

export function openWorld(experiment: Experiment, ports: RunPorts, id: string, start: number): World {
  const { store, signal } = ports;
  const progress = (update: Progress) => ports.show({ type: 'progress', progress: update });
  const phase = (text: string) => progress({ type: 'phase', phase: text });
  const onOpen = (name: string, engine: Engine) => phase(`${name} on ${layoutText(engine)}`);
  const hosts = createHosts({ experiment, store, run: id, onOpen });
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
    hosts,
    budget,
    signal,
    onCount: ({ requested, made, remembered }) =>
      progress({ type: 'calls', requested, made, remembered, budget: budget.state() }),
  });
  const embed = rememberingEmbeddings({
    store,
    models: hosts.models,
    engineOf: hosts.engineOf,
    signal,
    onEmbed: (done, total) => phase(`embedding: ${done} of ${total} texts`),
  });
  return { id, experiment, ports, memory, recorder: record, budget, embed, hosts };
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
