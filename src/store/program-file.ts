import { copyFileSync, existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { z } from 'zod';
import { type Candidate, modelsOf } from '../core/candidate.ts';
import type { Embeddings } from '../core/embedding.ts';
import { InputError } from '../core/errors.ts';
import { type Json, shortId } from '../core/json.ts';
import type { AdapterFile, BaseModel } from '../core/lm.ts';
import type { Predictors } from '../core/program.ts';
import { type Signature, signature } from '../core/signature.ts';
import { privateFolder, withFile, writePrivately } from '../system/files.ts';
import { readEmbeddings, saveEmbeddings } from './program-embeddings.ts';
import { requireContent } from './require-content.ts';

/**
 * An optimized program on disk: prompts and signatures as JSON, base and merged models by sha256 and path; as files beside it adapters, and
 * the embeddings of demos that are chosen by likeness.
 */
export interface SavedProgram {
  readonly predictors: Predictors;
  readonly candidate: Candidate;
  readonly bases: readonly Pick<BaseModel, 'sha256' | 'name' | 'path'>[];
  readonly adapters: readonly AdapterFile[];
  readonly embeddings: Embeddings;
}

const fileName = 'program.json';
const format = 'better-together program 1';

const modelRef = z.object({
  base: z.string(),
  adapter: z.string().nullable(),
  merged: z.string().exactOptional(),
});
const fields = z.record(z.string(), z.json());
const state = z.object({
  instructions: z.string(),
  demos: z.array(z.object({ inputs: fields, outputs: fields, source: z.string() })),
  nearest: z.int().positive().optional(),
  chatFormat: z.enum(['json', 'value', 'lines', 'markers']),
  labelList: z.literal('omitted').exactOptional(),
  choice: z.union([
    z.enum(['greedy', 'most-probable']),
    z.strictObject({ priors: z.record(z.string(), z.array(z.number().positive())) }),
  ]),
  decoding: z.enum(['constrained', 'free']),
  model: modelRef,
});
const programFile = z.object({
  format: z.literal(format),
  predictors: z.record(z.string(), z.object({ instructions: z.string(), inputs: z.json(), outputs: z.json(), state })),
  bases: z.array(z.object({ sha256: z.string(), name: z.string(), path: z.string() })),
  adapters: z.array(z.string()),
  /** As large as a base, so they stay where they are. */
  merged: z.array(z.object({ sha256: z.string(), path: z.string() })).exactOptional(),
  /** sha256 of the file that has them. */
  embeddings: z.string().optional(),
});

/** Writes the program into a folder of its own and returns the path of its JSON file, which is written last. */
export function saveProgram(program: SavedProgram, folder: string): string {
  privateFolder(folder);
  const mergedFiles = new Set(modelsOf(program.candidate).flatMap((model) => model.merged ?? []));
  const adapters = program.adapters.filter(({ sha256 }) => !mergedFiles.has(sha256));
  const merged = program.adapters.filter(({ sha256 }) => mergedFiles.has(sha256));
  for (const { sha256, path } of adapters) {
    const copy = join(folder, adapterName(sha256));
    if (!existsSync(copy)) withFile(copy, () => copyFileSync(path, copy));
  }
  const predictors = Object.entries(program.predictors).map(([name, { instructions, inputs, outputs }]) => [
    name,
    {
      instructions,
      inputs: z.toJSONSchema(inputs, { io: 'input' }),
      outputs: z.toJSONSchema(outputs),
      state: program.candidate.predictors[name],
    },
  ]);
  const embeddings = saveEmbeddings(program, folder);
  const content = {
    format,
    predictors: Object.fromEntries(predictors),
    bases: program.bases.map(({ sha256, name, path }) => ({ sha256, name, path: placeOf(path) })),
    adapters: adapters.map(({ sha256 }) => sha256),
    ...(merged.length === 0 ? {} : { merged: merged.map(({ sha256, path }) => ({ sha256, path: resolve(path) })) }),
    ...(embeddings === null ? {} : { embeddings }),
  };
  const path = join(folder, fileName);
  writePrivately(path, `${JSON.stringify(content, null, 2)}\n`);
  return path;
}

/** A file's place holds wherever the program is read from; an endpoint's address already does. */
const placeOf = (path: string): string => (/^https?:\/\//i.test(path) ? path : resolve(path));

const adapterName = (sha256: string): string => `adapter-${shortId(sha256)}.gguf`;

/** Reads a saved program (its JSON file or its folder) and checks that the adapters beside it are the ones that were saved. */
export async function readProgram(path: string): Promise<SavedProgram> {
  const file = basename(path).endsWith('.json') ? path : join(path, fileName);
  const parsed = programFile.safeParse(readJson(file));
  if (!parsed.success) throw notAProgram(file, z.prettifyError(parsed.error));
  const { predictors, bases, adapters, merged = [], embeddings } = parsed.data;
  const files = adapters.map((sha256) => ({ sha256, path: join(dirname(file), adapterName(sha256)) }));
  for (const adapter of files) await requireContent(adapter, { what: 'adapter', program: file });
  // Their content is checked when they are opened.
  for (const { path } of merged) requireMerged(path, file);
  return {
    predictors: Object.fromEntries(Object.entries(predictors).map(([name, saved]) => [name, restored(saved)])),
    // `as`: zod's JSON values are ours.
    candidate: {
      predictors: Object.fromEntries(Object.entries(predictors).map(([name, saved]) => [name, saved.state])),
    } as Candidate,
    bases,
    adapters: [...files, ...merged],
    embeddings: embeddings === undefined ? new Map() : await readEmbeddings(embeddings, file),
  };
}

function requireMerged(path: string, program: string): void {
  if (existsSync(path)) return;
  throw new InputError(
    'merged-missing',
    [`The merged model of ${program} is not at ${path}.`],
    'Make it again, byte for byte: better-together export RUN --merged; then put it there.',
  );
}

function readJson(file: string): Json {
  if (!existsSync(file)) {
    throw new InputError(
      'program-missing',
      [`There is no program at ${file}.`],
      'A run saves its program beside its store and prints where.',
    );
  }
  const text = withFile(file, () => readFileSync(file, 'utf8'));
  try {
    // `as`: JSON.parse returns JSON.
    return JSON.parse(text) as Json;
  } catch (error) {
    throw notAProgram(file, error instanceof Error ? error.message : String(error));
  }
}

const notAProgram = (file: string, reason: string): InputError =>
  new InputError(
    'program-invalid',
    [`${file} is not a program of better-together: ${reason}`],
    'Name the program.json that a run has saved.',
  );

function restored({ instructions, inputs, outputs }: z.output<typeof programFile>['predictors'][string]): Signature {
  // `as`: written from zod objects, so objects come back.
  const shapeOf = (schema: unknown) => (z.fromJSONSchema(schema as z.core.JSONSchema.JSONSchema) as z.ZodObject).shape;
  return signature({ instructions, inputs: shapeOf(inputs), outputs: shapeOf(outputs) });
}
