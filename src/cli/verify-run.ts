import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { InputError } from '../core/errors.ts';
import { shortId } from '../core/json.ts';
import type { AdapterFile, LanguageModel } from '../core/lm.ts';
import type { Store } from '../core/store.ts';
import type { Verification } from '../core/verification.ts';
import { planVerification, type VerificationPlan, verify } from '../run/verify.ts';
import { readProgram } from '../store/program-file.ts';
import { sha256OfFile } from '../system/files.ts';
import { existingStore } from './existing-store.ts';
import { findRun } from './find-run.ts';
import { defaultModelPath, defaults, localModel } from './wiring.ts';

export interface VerifyOptions {
  /** A path, or an open store. Nothing is written to it. */
  readonly store: string | Store;
  /** GGUF files of the run's models. Looked at besides: where the run's saved program says, and the default model. */
  readonly models?: readonly string[];
  /** How many of the run's calls are asked again; default 50. */
  readonly sample?: number | 'all';
  /** Chooses them; default 0. */
  readonly seed?: number;
  readonly signal?: AbortSignal;
  readonly onCall?: (done: number, total: number) => void;
}

/**
 * Asks a sample of a run's calls again, on the run's own models in the layout of its first start, and says which answer is the first that
 * is not the stored one. `run` is an id or its beginning. Throws an InputError for an unknown run and for models or adapters that are not
 * there.
 */
export async function verifyRun(run: string, options: VerifyOptions): Promise<Verification> {
  const { sample = 50, seed = 0 } = options;
  if (sample !== 'all' && !(Number.isInteger(sample) && sample >= 1))
    throw new InputError(
      'sample-invalid',
      [`A sample of ${sample} calls is not possible.`],
      'Give 1 or more, or "all".',
    );
  const store = typeof options.store === 'string' ? existingStore(options.store) : options.store;
  try {
    const plan = planVerification(store, findRun(store, run), { sample: sample === 'all' ? null : sample, seed });
    return await verifyPlanned(plan, store, options);
  } finally {
    if (typeof options.store === 'string') store.close();
  }
}

async function verifyPlanned(
  plan: VerificationPlan,
  store: Store,
  { models: given = [], signal = new AbortController().signal, onCall }: VerifyOptions,
): Promise<Verification> {
  const saved = await savedProgram(store, plan.run.id);
  const adapters = findAdapters(plan, store, saved.adapters);
  for (const adapter of adapters.values()) await requireAdapter(adapter);
  const models = await findModels(plan, given, [...saved.bases.map(({ path }) => path), defaultModelPath()]);
  try {
    const { concurrency } = defaults;
    return await verify(plan, { store, models, adapters, concurrency, signal, ...(onCall ? { onCall } : {}) });
  } finally {
    for (const model of models.values()) await model.release();
  }
}

/** What a finished run of the command line left beside its store: it knows where the models lay. */
async function savedProgram(
  store: Store,
  run: string,
): Promise<Pick<Awaited<ReturnType<typeof readProgram>>, 'bases' | 'adapters'>> {
  const nothing = { bases: [], adapters: [] };
  const file = join(dirname(store.name), 'programs', shortId(run), 'program.json');
  if (!existsSync(file)) return nothing;
  return readProgram(file).catch((error: unknown) => {
    // A damaged program is no hindrance: what is missing without it is named by those who look for it.
    if (error instanceof InputError) return nothing;
    throw error;
  });
}

function findAdapters(
  { adapters, run }: VerificationPlan,
  store: Store,
  saved: readonly AdapterFile[],
): ReadonlyMap<string, AdapterFile> {
  const found = new Map(
    adapters.flatMap((sha256): [string, AdapterFile][] => {
      const kept = store.file('adapter', sha256) ?? store.file('merged', sha256);
      const path = kept ?? saved.find((file) => file.sha256 === sha256)?.path;
      return path === undefined ? [] : [[sha256, { sha256, path }]];
    }),
  );
  const missing = adapters.filter((sha256) => !found.has(sha256));
  if (missing.length === 0) return found;
  throw new InputError(
    'adapter-missing',
    missing.map(
      (sha256) =>
        `Calls of run ${shortId(run.id)} were made with trained weights ${sha256}, which are not in ${store.name}.files.`,
    ),
    'Put the folders "adapters" and "merged" of the store back beside it.',
  );
}

async function requireAdapter({ sha256, path }: AdapterFile): Promise<void> {
  const found = await sha256OfFile(path);
  if (found === sha256) return;
  throw new InputError(
    'adapter-changed',
    [`${path} has sha256 ${found}; calls of the run were made with ${sha256}.`],
    'Put the adapter that was trained back in its place.',
  );
}

async function findModels(
  { bases, run }: VerificationPlan,
  given: readonly string[],
  known: readonly string[],
): Promise<ReadonlyMap<string, LanguageModel>> {
  const found = new Map<string, LanguageModel>();
  for (const gguf of given) {
    const model = await localModel({ gguf });
    if (!bases.includes(model.base.sha256))
      throw new InputError(
        'model-differs',
        [`${gguf} has sha256 ${model.base.sha256}; run ${shortId(run.id)} was made with ${bases.join(', ')}.`],
        'Name the GGUF file that the run was made with: --model.',
      );
    found.set(model.base.sha256, model);
  }
  for (const gguf of new Set(known.filter((path) => existsSync(path)))) {
    if (bases.every((base) => found.has(base))) break;
    const model = await localModel({ gguf });
    if (bases.includes(model.base.sha256) && !found.has(model.base.sha256)) found.set(model.base.sha256, model);
  }
  const missing = bases.filter((base) => !found.has(base));
  if (missing.length === 0) return found;
  throw new InputError(
    'model-missing',
    missing.map(
      (base) => `Run ${shortId(run.id)} was made with the model of sha256 ${base}, and no file with it is known here.`,
    ),
    'Name its GGUF file: --model FILE, once for each model.',
  );
}
