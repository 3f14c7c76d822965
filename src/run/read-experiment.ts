import { candidateOf } from '../core/callable.ts';
import { InputError } from '../core/errors.ts';
import type { Example, Splits } from '../core/example.ts';
import type { LanguageModel } from '../core/lm.ts';
import type { Metric } from '../core/metric.ts';
import type { Optimizer, Teacher } from '../core/optimizer.ts';
import { parseStrategy } from '../core/strategy.ts';
import { noLimits, noticesOfLimits, requireLimits } from './budget-limits.ts';
import type { AnyProgram, CompileOptions, StepArguments } from './compile-options.ts';
import { checkData } from './data-checks/check-data.ts';
import { placedRows } from './data-checks/placed-rows.ts';
import { noticesOfData, refuseTestLeaks } from './data-checks/test-leaks.ts';
import type { Experiment, RunSettings, StepOverrides } from './experiment.ts';
import { readSplits, rowReader } from './read-data.ts';
import type { ExampleLike } from './splits.ts';
import { noticesOfEndpoints, requireEmbeddings, requireTrainable } from './trainable.ts';

const defaultSettings: RunSettings = {
  shuffleTrainsetBetweenSteps: true,
  stepStart: 'best',
  promptStart: 'current',
  onStepError: 'continue',
  maxErrors: 10,
  ...noLimits,
  openTest: 'chosen',
  selection: 'best-mean',
  crossed: false,
};

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
  const reader = rowReader(structure, options.places);
  const { splits, notices } = readSplits(reader, options);
  requireVal(settings, splits);
  const teachers = teacherPrograms(options.teacher);
  const { changed, overrides, programs, promptModels } = readStepArguments(
    structure,
    optimizers,
    options.optimizerCompileArgs ?? {},
    reader.read,
  );
  const everyProgram = [student, ...teachers, ...programs];
  const initial = candidateOf(student);
  const writers = [...(options.promptModel ? [options.promptModel] : []), ...promptModels];
  const models = new Map([
    ...everyProgram.flatMap((program) => [...program.models]),
    ...writers.map((model): [string, LanguageModel] => [model.base.sha256, model]),
  ]);
  const data = checkData(placedRows({ splits, overrides, programs: everyProgram, places: reader.places }));
  if (options.allowLeaks !== true) refuseTestLeaks(data);
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
    data,
    seed,
    settings,
    notices: [...notices, ...noticesOfData(data), ...noticesOfLimits(settings), ...noticesOfEndpoints(models.values())],
    sources: options.sources ?? [],
    version,
    given: options.given ?? null,
    folder: options.folder ?? '.',
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

/** Both are measured on val, and would silently do nothing. */
function requireVal({ selection, crossed }: RunSettings, { val }: Splits): void {
  if (val.length > 0) return;
  const asked = [...(selection === 'significant' ? ['selection "significant"'] : []), ...(crossed ? ['crossed'] : [])];
  if (asked.length === 0) return;
  throw new InputError(
    'val-missing',
    asked.map((option) => `${option} compares candidates on val, and there is no val split.`),
    'Give a valset or a val ratio above 0, or leave it out.',
  );
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
