import type { Program } from '../core/callable.ts';
import { type Candidate, trainedFiles } from '../core/candidate.ts';
import type { LiveEvent } from '../core/event.ts';
import type { Surroundings } from '../core/manifest.ts';
import type { Metric } from '../core/metric.ts';
import type { Optimizer } from '../core/optimizer.ts';
import type { Store } from '../core/store.ts';
import type { RunSummary } from '../core/summary.ts';
import type { Trainer } from '../core/trainer.ts';
import type { AnyProgram, CompileOptions } from './compile-options.ts';
import { storedEmbeddings } from './embeddings.ts';
import { eventStream } from './event-stream.ts';
import type { Experiment } from './experiment.ts';
import { readExperiment } from './read-experiment.ts';
import { execute, runId } from './run.ts';

/** An optimized program, with everything that was tried on the way: best first, ties to the earlier. */
export type Optimized<P> = P & {
  readonly candidatePrograms: readonly {
    readonly score: number | null;
    readonly program: P;
    readonly strategy: string;
  }[];
  readonly flagCompilationErrorOccurred: boolean;
  readonly summary: RunSummary;
};

/** A run under way: a promise of the optimized program, and an async iterable of its events. */
export type Run<P> = Promise<Optimized<P>> & AsyncIterable<LiveEvent> & { readonly id: string };

export interface BetterTogether<K extends string> {
  /** Starts a run. Mistakes in the options are thrown here, all at once; the student stays as it is. */
  compile<P extends AnyProgram, const S extends string = 'p -> w -> p'>(
    student: P,
    options: CompileOptions<K, S>,
  ): Run<P>;
}

/** What the library brings when the caller gives nothing. */
export interface Defaults {
  readonly version: string;
  readonly concurrency: number;
  openStore(path: string | undefined): Store;
  trainer(): Trainer;
  /** Milliseconds; only ever asked where there is a limit in minutes, and to show how much is left. */
  now(): number;
  onNetworkAttempt(listener: (to: string) => void): () => void;
  /** Machine and folder, for the manifest. */
  surroundings?(folder: string): Promise<Surroundings>;
  optimizers(): { readonly p: Optimizer; readonly w: Optimizer };
}

/** `betterTogether` over the given defaults; index.ts exports it over ours. */
export function betterTogetherOver(defaults: Defaults) {
  /** Optimizes prompts and weights together. Without `optimizers`: p is random search over demos, w is a LoRA fine-tune. */
  return function betterTogether<
    const T extends { readonly [key: string]: Optimizer } = { p: Optimizer; w: Optimizer },
    O = never,
  >(spec: { readonly metric: Metric<O>; readonly optimizers?: T }): BetterTogether<keyof T & string> {
    // `as` twice: the caller's types of outputs and strategy have done their work; inside, both are checked as they are read.
    const metric = spec.metric as Metric;
    const optimizers = spec.optimizers ?? defaults.optimizers();
    return {
      compile: (student, options) =>
        start(student, metric, optimizers, options as unknown as CompileOptions<string>, defaults),
    };
  };
}

function start<P extends AnyProgram>(
  student: P,
  metric: Metric,
  optimizers: { readonly [key: string]: Optimizer },
  options: CompileOptions<string>,
  defaults: Defaults,
): Run<P> {
  const experiment = readExperiment(student, metric, optimizers, options, defaults.version);
  const ownsStore = typeof options.store !== 'object';
  const store = typeof options.store === 'object' ? options.store : defaults.openStore(options.store);
  const needsTrainer = experiment.strategy.some((key) => experiment.optimizers[key]?.kind === 'weights');
  // Phases are few, and each is worth a line, as the data's report is; the rest of the progress comes with every call.
  const lasting = ['phase', 'data'];
  const events = eventStream<LiveEvent>((event) => event.type === 'progress' && !lasting.includes(event.progress.type));
  const ports = {
    store,
    trainer: options.trainer ?? (needsTrainer ? defaults.trainer() : null),
    concurrency: options.numThreads ?? defaults.concurrency,
    signal: options.signal ?? new AbortController().signal,
    show: events.push,
    now: defaults.now,
    onNetworkAttempt: defaults.onNetworkAttempt,
    ...(defaults.surroundings ? { surroundings: defaults.surroundings } : {}),
  };
  const finished = execute(experiment, ports).then((summary) => optimizedProgram(student, summary, experiment, store));
  const closed = finished.finally(() => {
    events.end();
    if (ownsStore && options.store !== undefined) store.close();
  });
  return Object.assign(closed, { id: runId(experiment), [Symbol.asyncIterator]: events.iterate });
}

function optimizedProgram<P extends AnyProgram>(
  student: P,
  summary: RunSummary,
  experiment: Experiment,
  store: Store,
): Optimized<P> {
  const filesOf = (candidate: Candidate) =>
    trainedFiles(candidate).flatMap((sha256) => {
      const path =
        experiment.adapters.get(sha256)?.path ?? store.file('adapter', sha256) ?? store.file('merged', sha256);
      return path === undefined ? [] : [{ sha256, path }];
    });
  const every = [...summary.candidates.map(({ candidate }) => candidate), summary.chosen.candidate];
  const vectors = storedEmbeddings(store, summary.run, student.structure.predictors, every);
  // `as`: a program with another candidate has the program's own type.
  const programOf = (candidate: Candidate) =>
    (student as unknown as Program).withCandidate(candidate, filesOf(candidate), vectors) as unknown as P;
  const tried = summary.candidates.map(({ val, candidate, strategy }) => ({
    score: val?.mean ?? null,
    program: programOf(candidate),
    strategy,
  }));
  // A stable sort: ties stay in the order of the steps.
  const candidatePrograms = tried.toSorted(
    (a, b) => (b.score ?? Number.NEGATIVE_INFINITY) - (a.score ?? Number.NEGATIVE_INFINITY),
  );
  return Object.assign(programOf(summary.chosen.candidate), {
    candidatePrograms,
    flagCompilationErrorOccurred: summary.flagCompilationErrorOccurred,
    summary,
  });
}
