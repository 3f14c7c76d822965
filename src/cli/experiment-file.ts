import { createHash } from 'node:crypto';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import type { Program } from '../core/callable.ts';
import { InputError } from '../core/errors.ts';
import type { Metric } from '../core/metric.ts';
import type { Optimizer } from '../core/optimizer.ts';
import type { CompileOptions } from '../run/compile-options.ts';
import { writePrivately } from '../system/files.ts';

type AnyProgram = Pick<Program, 'structure' | 'drafts' | 'models' | 'adapters'>;

/** What an experiment file says: everything that flags could say, with the user's own program and metric. Paths are relative to the file. */
export interface ExperimentSpec
  extends Omit<
    Partial<CompileOptions<string>>,
    'teacher' | 'promptModel' | 'store' | 'signal' | 'sources' | 'trainer'
  > {
  readonly program: AnyProgram;
  // Any outputs: the program's own types have been checked where the metric was written.
  readonly metric: Metric<never>;
  /** A GGUF file, or an endpoint such as `http://127.0.0.1:8080/v1#model-name`; default: the file that set-up prepares. */
  readonly model?: string;
  /** Train also a model of an architecture that was never compared with llama.cpp, and let the gates decide. Default: false. */
  readonly allowUntestedArchitecture?: boolean;
  /** A Hugging Face folder of the model, to train on in place of the GGUF file. */
  readonly baseFolder?: string;
  /** A data file with a split column, in place of trainset, valset and testset. */
  readonly data?: string;
  readonly optimizers?: { readonly [key: string]: Optimizer };
}

/** Marks the default export of an experiment file, so that TypeScript checks it. */
export const experiment = (spec: ExperimentSpec): ExperimentSpec => spec;

export interface LoadedExperiment {
  readonly spec: ExperimentSpec;
  readonly folder: string;
  /** sha256 of the file and of every local file that it imports. */
  readonly sources: readonly string[];
}

/** Reads an experiment file (TypeScript or JavaScript): bundled without its packages, so that its local imports are known by content. */
export async function loadExperiment(path: string): Promise<LoadedExperiment> {
  if (!existsSync(path))
    throw new InputError(
      'experiment-missing',
      [`There is no experiment file ${path}.`],
      'Name a .ts or .js file that exports experiment({...}).',
    );
  const folder = dirname(resolve(path));
  const bundle = await build({
    entryPoints: [path],
    bundle: true,
    packages: 'external',
    format: 'esm',
    platform: 'node',
    target: 'node20',
    sourcemap: 'inline',
    write: false,
    metafile: true,
    logLevel: 'silent',
  }).catch((error: unknown) => {
    throw unreadable(path, error);
  });
  const sources = Object.keys(bundle.metafile.inputs).map((file) =>
    createHash('sha256').update(readFileSync(file)).digest('hex'),
  );
  const code = bundle.outputFiles[0]!.text;
  // Beside the original, so that its packages are found from where it stands.
  const compiled = join(
    folder,
    `.experiment-${createHash('sha256').update(code).digest('hex').slice(0, 12)}.${process.pid}.mjs`,
  );
  writePrivately(compiled, code);
  try {
    const module: { default?: unknown } = await import(pathToFileURL(compiled).href);
    return { spec: requireSpec(module.default, path), folder, sources: sources.toSorted() };
  } catch (error) {
    throw error instanceof InputError ? error : unreadable(path, error);
  } finally {
    rmSync(compiled, { force: true });
  }
}

const unreadable = (path: string, error: unknown): InputError =>
  new InputError(
    'experiment-invalid',
    [`${path} cannot be run: ${error instanceof Error ? error.message : error}`],
    'Mend the file; "tsc --noEmit" shows type mistakes.',
    { cause: error },
  );

function requireSpec(value: unknown, path: string): ExperimentSpec {
  const hint = 'export default experiment({ program: predict(...), metric: exactMatch(), data: "tickets.jsonl" });';
  if (typeof value !== 'object' || value === null || !('program' in value) || !('metric' in value)) {
    throw new InputError('experiment-invalid', [`${path} has no default export with a program and a metric.`], hint);
  }
  // `as`: the two parts that cannot be left out are there; the rest is checked where it is read.
  return value as ExperimentSpec;
}
