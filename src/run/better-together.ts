import { candidateOf, type Program } from '../core/callable.ts';
import type { Candidate } from '../core/candidate.ts';
import { InputError } from '../core/errors.ts';
import type { LiveEvent } from '../core/event.ts';
import type { Example } from '../core/example.ts';
import type { LanguageModel } from '../core/lm.ts';
import type { Metric } from '../core/metric.ts';
import type { Optimizer, Teacher } from '../core/optimizer.ts';
import type { Store } from '../core/store.ts';
import { type CheckedStrategy, parseStrategy } from '../core/strategy.ts';
import type { RunSummary } from '../core/summary.ts';
import type { Trainer } from '../core/trainer.ts';
import { noLimits, noticesOfLimits, requireLimits } from './budget-limits.ts';
import { storedEmbeddings } from './embeddings.ts';
import { eventStream } from './event-stream.ts';
import type { Experiment, RunSettings, StepOverrides } from './experiment.ts';
import { execute, runId } from './run.ts';
import { type ExampleLike, makeSplits, readExamples } from './splits.ts';
import { noticesOfEndpoints, requireEmbeddings, requireTrainable } from './trainable.ts';

// Programs of any types: a program is only called by its owner, who knows them.
type AnyProgram = Pick<Program, 'structure' | 'drafts' | 'models' | 'adapters' | 'embeddings'>;

/** Arguments of one step: a teacher or data of its own, and changed parameters of its optimizer. */
export interface StepArguments {
  readonly teacher?: AnyProgram | readonly AnyProgram[];
  readonly promptModel?: LanguageModel;
  readonly trainset?: readonly ExampleLike[];
  readonly valset?: readonly ExampleLike[];
  readonly [parameter: string]: unknown;
}

export interface CompileOptions<K extends string, S extends string = string> extends Partial<RunSettings> {
  readonly trainset: readonly ExampleLike[];
  /** Without one, `valsetRatio` of the trainset is taken aside (seeded, stratified); an empty list means: none. */
  readonly valset?: readonly ExampleLike[];
  /** Sealed: opened once, at the end, for the chosen program and the baseline. */
  readonly testset?: readonly ExampleLike[];
  readonly valsetRatio?: number;
  /** Without a testset, this much of the trainset is sealed first; default 0. */
  readonly testsetRatio?: number;
  /** Keys of optimizers joined by arrows; default `p -> w -> p`. */
  readonly strategy?: CheckedStrategy<S, K>;
  readonly teacher?: AnyProgram | readonly AnyProgram[];
  /** Writes the proposals of prompt steps; default: the student's own base model. */
  readonly promptModel?: LanguageModel;
  /** 0 (the default) is a seed like any other. */
  readonly seed?: number;
  /** Examples under way at once; it has no effect on the result. */
  readonly numThreads?: number;
  readonly optimizerCompileArgs?: { readonly [key in K]?: StepArguments };
  /** A path, or an open store. Without one, memory lives in this process only. */
  readonly store?: string | Store;
  readonly trainer?: Trainer;
  readonly signal?: AbortSignal;
  /** By content, what else decides the run: sha256 of the experiment file and its imports. */
  readonly sources?: readonly string[];
}

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
  optimizers(): { readonly p: Optimizer; readonly w: Optimizer };
}

export const defaultSettings: RunSettings = {
  shuffleTrainsetBetweenSteps: true,
  stepStart: 'best',
  promptStart: 'current',
  onStepError: 'continue',
  maxErrors: 10,
  ...noLimits,
  openTest: 'chosen',
};

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
  // Phases are few, and each is worth a line; the rest of the progress comes with every call.
  const events = eventStream<LiveEvent>((event) => event.type === 'progress' && event.progress.type !== 'phase');
  const ports = {
    store,
    trainer: options.trainer ?? (needsTrainer ? defaults.trainer() : null),
    concurrency: options.numThreads ?? defaults.concurrency,
    signal: options.signal ?? new AbortController().signal,
    show: events.push,
    now: defaults.now,
    onNetworkAttempt: defaults.onNetworkAttempt,
  };
  const finished = execute(experiment, ports).then((summary) => optimizedProgram(student, summary, experiment, store));
  const closed = finished.finally(() => {
    events.end();
    if (ownsStore && options.store !== undefined) store.close();
  });
  return Object.assign(closed, { id: runId(experiment), [Symbol.asyncIterator]: events.iterate });
}

/** The experiment, read and checked whole before anything is opened. */
export function readExperiment(
  student: AnyProgram,
  metric: Metric,
  optimizers: { readonly [key: string]: Optimizer },
  options: CompileOptions<string>,
  version: string,
): Experiment {
  const { structure } = student;
  const settings = readSettings(options);
  const seed = options.seed ?? 0;
  const strategy = parseStrategy(options.strategy ?? 'p -> w -> p', Object.keys(optimizers));
  const rows = (name: string, given: readonly ExampleLike[]) =>
    readExamples(structure, given, (index) => `${name}[${index}]`);
  const { splits, notices } = makeSplits({
    train: rows('trainset', options.trainset),
    val: options.valset ? rows('valset', options.valset) : null,
    test: options.testset ? rows('testset', options.testset) : null,
    valRatio: options.valsetRatio ?? 0.1,
    testRatio: options.testsetRatio ?? 0,
    seed,
  });
  const teachers = teacherPrograms(options.teacher);
  const { changed, overrides, programs, promptModels } = readStepArguments(
    structure,
    optimizers,
    options.optimizerCompileArgs ?? {},
    rows,
  );
  const everyProgram = [student, ...teachers, ...programs];
  const initial = candidateOf(student);
  const writers = [...(options.promptModel ? [options.promptModel] : []), ...promptModels];
  const models = new Map([
    ...everyProgram.flatMap((program) => [...program.models]),
    ...writers.map((model): [string, LanguageModel] => [model.base.sha256, model]),
  ]);
  requireTrainable(strategy, changed, initial, models);
  requireEmbeddings(strategy, changed, initial, models);
  return {
    structure,
    initial,
    models,
    adapters: new Map(everyProgram.flatMap(({ adapters }) => [...adapters])),
    teachers: teachers.map((teacher) => asTeacher(teacher, structure)),
    promptModel: options.promptModel?.base.sha256 ?? null,
    optimizers: changed,
    strategy,
    overrides,
    metric,
    splits,
    seed,
    settings,
    notices: [...notices, ...noticesOfLimits(settings), ...noticesOfEndpoints(models.values())],
    sources: options.sources ?? [],
    version,
  };
}

function readSettings(options: Partial<RunSettings>): RunSettings {
  const given = Object.keys(defaultSettings).flatMap((name) => {
    // `as`: the keys of the defaults are the keys of the settings.
    const value = options[name as keyof RunSettings];
    return value === undefined ? [] : [[name, value]];
  });
  const settings: RunSettings = { ...defaultSettings, ...Object.fromEntries(given) };
  requireLimits(settings);
  return settings;
}

const teacherPrograms = (teacher: AnyProgram | readonly AnyProgram[] | undefined): readonly AnyProgram[] =>
  // `as`: Array.isArray does not narrow readonly arrays.
  teacher === undefined ? [] : Array.isArray(teacher) ? (teacher as readonly AnyProgram[]) : [teacher as AnyProgram];

/** A teacher shows how the student's own predictors are used, so it has them all. */
function asTeacher(program: AnyProgram, student: AnyProgram['structure']): Teacher {
  const missing = Object.keys(student.predictors).filter((name) => !(name in program.structure.predictors));
  if (missing.length > 0) {
    throw new InputError(
      'teacher-predictors',
      missing.map((name) => `The teacher has no predictor "${name}".`),
      'Teacher and student need the same predictor names.',
    );
  }
  return { structure: program.structure, candidate: candidateOf(program) };
}

function readStepArguments(
  structure: AnyProgram['structure'],
  optimizers: { readonly [key: string]: Optimizer },
  given: { readonly [key: string]: StepArguments | undefined },
  rows: (name: string, given: readonly ExampleLike[]) => Example[],
) {
  const changed: { [key: string]: Optimizer } = { ...optimizers };
  const overrides: { [key: string]: StepOverrides } = {};
  const programs: AnyProgram[] = [];
  const promptModels: LanguageModel[] = [];
  for (const [key, args] of Object.entries(given)) {
    const optimizer = optimizers[key];
    if (!optimizer) {
      throw new InputError(
        'compile-args-key',
        [`optimizerCompileArgs names "${key}", which is not the key of an optimizer.`],
        `Keys: ${Object.keys(optimizers).join(', ')}.`,
      );
    }
    const { teacher, promptModel, trainset, valset, student, ...parameters } = args ?? {};
    if (student !== undefined)
      throw new InputError(
        'compile-args-student',
        ['optimizerCompileArgs cannot replace the student.'],
        'The student of a step is the candidate it starts from.',
      );
    const teachers = teacherPrograms(teacher);
    programs.push(...teachers);
    if (promptModel) promptModels.push(promptModel);
    changed[key] = optimizer.with(parameters);
    overrides[key] = {
      ...(teacher ? { teachers: teachers.map((program) => asTeacher(program, structure)) } : {}),
      ...(promptModel ? { promptModel: promptModel.base.sha256 } : {}),
      ...(trainset ? { train: rows(`${key}.trainset`, trainset) } : {}),
      ...(valset ? { val: rows(`${key}.valset`, valset) } : {}),
    };
  }
  return { changed, overrides, programs, promptModels };
}

function optimizedProgram<P extends AnyProgram>(
  student: P,
  summary: RunSummary,
  experiment: Experiment,
  store: Store,
): Optimized<P> {
  const adapterFiles = (candidate: Candidate) =>
    Object.values(candidate.predictors).flatMap(({ model: { adapter } }) => {
      const path =
        adapter === null ? undefined : (experiment.adapters.get(adapter)?.path ?? store.file('adapter', adapter));
      return adapter !== null && path !== undefined ? [{ sha256: adapter, path }] : [];
    });
  const every = [...summary.candidates.map(({ candidate }) => candidate), summary.chosen.candidate];
  const vectors = storedEmbeddings(store, summary.run, student.structure.predictors, every);
  // `as`: a program with another candidate has the program's own type.
  const programOf = (candidate: Candidate) =>
    (student as unknown as Program).withCandidate(candidate, adapterFiles(candidate), vectors) as unknown as P;
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
