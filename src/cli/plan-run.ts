import { resolve } from 'node:path';
import { chainOfThought, type Program, predict } from '../core/callable.ts';
import { InputError } from '../core/errors.ts';
import type { LanguageModel } from '../core/lm.ts';
import type { Metric } from '../core/metric.ts';
import type { Optimizer } from '../core/optimizer.ts';
import { signature } from '../core/signature.ts';
import { builtInMetrics } from '../evaluate/metrics.ts';
import type { CompileOptions } from '../run/compile-options.ts';
import { readBaseFolder } from '../trainer/base-folder.ts';
import type { PythonTrainerOptions } from '../trainer/python-trainer.ts';
import { type GivenSplits, readGivenSplits } from './experiment-data.ts';
import { loadExperiment } from './experiment-file.ts';
import { readOptimizers } from './parse-flags.ts';
import { defaultModelPath, defaults, isEndpoint, openModel, pythonTrainer } from './wiring.ts';

/** The flags of `run`, `evaluate` and `demo`, as commander gives them. */
export interface RunFlags {
  readonly data?: string;
  readonly train?: string;
  readonly val?: string;
  readonly test?: string;
  readonly splitColumn: string;
  readonly valRatio: number;
  readonly testRatio: number;
  readonly signature?: string;
  readonly instructions?: string;
  readonly predictor: 'predict' | 'chain-of-thought';
  readonly chatFormat: 'json' | 'value' | 'lines' | 'markers';
  readonly decoding: 'constrained' | 'free';
  readonly metric: string;
  readonly model?: string;
  readonly teacher?: string;
  readonly promptModel?: string;
  readonly strategy?: string;
  readonly optimizer: readonly string[];
  readonly set: readonly string[];
  readonly seed?: number;
  readonly device: 'auto' | 'cpu' | 'cuda' | 'metal';
  readonly threads?: number;
  readonly context?: number;
  readonly allowUntestedArchitecture?: boolean;
  readonly baseFolder?: string;
  readonly maxCalls?: number;
  readonly maxMetricCalls?: number;
  readonly maxTokens?: number;
  readonly maxMinutes?: number;
  readonly maxErrors?: number;
  readonly stepStart?: 'best' | 'latest';
  readonly promptStart?: 'current' | 'original';
  readonly onStepError?: 'continue' | 'stop';
  readonly openTest?: 'chosen' | 'all';
  readonly allowLeaks?: boolean;
  readonly selection?: 'best-mean' | 'significant';
  readonly crossed?: true;
}

export type AnyProgram = Program<never, unknown>;

/** A run, read from flags or from an experiment file with flags on top. Nothing has been opened yet. */
export interface PlannedRun {
  readonly student: AnyProgram;
  readonly metric: Metric;
  readonly optimizers: { readonly [key: string]: Optimizer };
  readonly options: CompileOptions<string>;
  readonly lm: LanguageModel & AsyncDisposable;
}

export async function planRun(file: string | undefined, flags: RunFlags): Promise<PlannedRun> {
  const source = await readSource(file, flags);
  const optimizers = readOptimizers({ ...defaults.optimizers(), ...source.optimizers }, flags.optimizer, flags.set);
  const { device } = flags;
  const importing = {
    ...source.importing,
    ...defined({ allowUntestedArchitecture: flags.allowUntestedArchitecture, baseFolder: flags.baseFolder }),
  };
  // Other weights to train on make another run.
  const weights = importing.baseFolder === undefined ? [] : [(await readBaseFolder(importing.baseFolder)).sha256];
  const host = { device, ...defined({ threads: flags.threads, contextTokens: flags.context }) };
  const lm = await openModel(source.modelPath, host);
  const teacher = flags.teacher === undefined ? undefined : source.program.withLm(await openModel(flags.teacher, host));
  const promptModel = flags.promptModel === undefined ? undefined : await openModel(flags.promptModel, host);
  const { maxCalls, maxMetricCalls, maxTokens, maxMinutes } = flags;
  const { seed, maxErrors, stepStart, promptStart, onStepError, openTest, selection, crossed, strategy, allowLeaks } =
    flags;
  return {
    student: source.program.withLm(lm),
    metric: source.metric,
    optimizers,
    lm,
    options: {
      valsetRatio: flags.valRatio,
      testsetRatio: flags.testRatio,
      ...source.options,
      ...defined({
        seed,
        maxCalls,
        maxMetricCalls,
        maxTokens,
        maxMinutes,
        maxErrors,
        stepStart,
        promptStart,
        onStepError,
        openTest,
        allowLeaks,
        selection,
        crossed,
        strategy,
        teacher,
        promptModel,
      }),
      given: process.argv.slice(2),
      sources: [...(source.options.sources ?? []), ...weights],
      trainer: pythonTrainer({ device, ...importing, ...defined({ threads: flags.threads }) }),
    },
  };
}

/** What flags and files have in common. */
export interface Source {
  readonly program: AnyProgram;
  readonly metric: Metric;
  readonly optimizers: { readonly [key: string]: Optimizer };
  readonly modelPath: string;
  readonly importing: Pick<PythonTrainerOptions, 'allowUntestedArchitecture' | 'baseFolder'>;
  readonly options: Partial<CompileOptions<string>> & Pick<CompileOptions<string>, 'trainset'>;
}

/** Reads what is to be run, data and all, without opening a model. */
export const readSource = async (file: string | undefined, flags: RunFlags): Promise<Source> =>
  file === undefined ? fromFlags(flags) : fromFile(file, flags);

function fromFlags(flags: RunFlags): Source {
  if (flags.signature === undefined) {
    throw new InputError(
      'signature-missing',
      ['There is neither an experiment file nor a --signature.'],
      `For example: --signature "ticket -> team: 'billing' | 'delivery'" --data tickets.jsonl`,
    );
  }
  const { chatFormat, decoding } = flags;
  const wanted = signature(flags.signature, flags.instructions);
  const make = flags.predictor === 'predict' ? predict : chainOfThought;
  // `as`: on the command line the fields' types are only known at run time.
  const program = make(wanted, { chatFormat, decoding }) as unknown as AnyProgram;
  const options = datasets(readGivenSplits(flags, program.structure));
  return {
    program,
    metric: metricByName(flags.metric),
    optimizers: {},
    modelPath: flags.model ?? defaultModelPath(),
    importing: {},
    options,
  };
}

/** The file says what the run is; flags that are given replace what the file says. */
async function fromFile(file: string, flags: RunFlags): Promise<Source> {
  const { spec, folder, sources } = await loadExperiment(file);
  const { program: given, metric, model, data, optimizers = {}, trainset, ...rest } = spec;
  const { allowUntestedArchitecture, baseFolder, ...options } = rest;
  const importing = defined({
    allowUntestedArchitecture,
    baseFolder: baseFolder === undefined ? undefined : resolve(folder, baseFolder),
  });
  // `as` twice: the file's author has had the types checked; here only their common shape matters.
  const program = given as AnyProgram;
  const ownData = data === undefined ? {} : { data: resolve(folder, data) };
  const hasFlags = flags.data !== undefined || flags.train !== undefined;
  const rows =
    trainset && !hasFlags
      ? { trainset }
      : datasets(readGivenSplits(hasFlags ? flags : { ...flags, ...ownData }, program.structure));
  const modelPath = flags.model ?? (model === undefined ? defaultModelPath() : placeFrom(folder, model));
  return {
    program,
    metric: metric as Metric,
    optimizers,
    modelPath,
    importing,
    options: { ...options, ...rows, sources, folder },
  };
}

const placeFrom = (folder: string, model: string): string => (isEndpoint(model) ? model : resolve(folder, model));

const datasets = ({ train, val, test, places }: GivenSplits) => ({
  trainset: train,
  places,
  ...(val ? { valset: val } : {}),
  ...(test ? { testset: test } : {}),
});

/** Leaves out what was not given, so that it does not replace what was. */
function defined<T extends object>(values: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  // `as`: exactly the keys without a value are gone, which optional keys allow.
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
}

export function metricByName(name: string): Metric {
  const [, kind, field] = /^([\w-]+)(?:[(:]([\w]+)\)?)?$/.exec(name) ?? [];
  const make = builtInMetrics[kind ?? ''];
  if (!make) {
    throw new InputError(
      'metric-unknown',
      [`There is no metric "${name}".`],
      `Known: ${Object.keys(builtInMetrics).join(', ')}; for one field exact-match:team. Others are written in an experiment file.`,
    );
  }
  return make(field);
}
