import { basename, resolve } from 'node:path';
import { InputError } from '../../core/errors.ts';
import type { BaseModel } from '../../core/lm.ts';
import { fileDigest } from './file-digest.ts';
import { chooseAnother, fetchAgain, readGgufHeader } from './gguf-file.ts';
import { elementsOf, type GgufHeader, type GgufValue, tensorTypeName } from './gguf-header.ts';

/** A model file that was read and found whole, and what its header says beyond BaseModel. */
export interface ModelFile {
  readonly base: BaseModel;
  readonly hasChatTemplate: boolean;
}

/** Checks a GGUF file, without native code, and names it by content; throws an InputError that says what is wrong and what to do. */
export async function readModelFile(path: string): Promise<ModelFile> {
  const absolute = resolve(path);
  const header = await readGgufHeader(absolute, 'model file');
  refuseOtherKinds(absolute, header);
  refuseOddSizes(absolute, header);
  const base = { sha256: await fileDigest(absolute), path: absolute, ...factsOf(absolute, header) };
  return { base, hasChatTemplate: typeof header.metadata.get('tokenizer.chat_template') === 'string' };
}

function refuseOtherKinds(path: string, { metadata, tensors }: GgufHeader): void {
  const kind = metadata.get('general.type') ?? 'model';
  if (kind === 'adapter' || metadata.has('adapter.type'))
    throw new InputError(
      'gguf-adapter',
      [`"${path}" is a LoRA adapter, not a model.`],
      'Name the base model it was trained on; adapters are loaded on top of it by the run that made them.',
    );
  if (kind !== 'model')
    throw new InputError('gguf-kind', [`"${path}" holds "${String(kind)}", not a model.`], chooseAnother);
  const parts = Number(metadata.get('split.count') ?? 1);
  if (parts > 1)
    throw new InputError(
      'gguf-split',
      [`"${path}" is one of ${parts} parts of a model.`],
      'Join them with `llama-gguf-split --merge` and name the result.',
    );
  if (typeof metadata.get('general.architecture') !== 'string' || tensors.length === 0)
    throw new InputError(
      'gguf-no-model',
      [
        `"${path}" has ${tensors.length} tensors and ${metadata.has('general.architecture') ? 'an' : 'no'} architecture: it holds no model.`,
      ],
      chooseAnother,
    );
}

// llama.cpp asserts at most 512 layers, which would take the process down; and it counts in 31 bits.
const sizeLimits = { block_count: 512, context_length: 2 ** 31 - 1, embedding_length: 2 ** 31 - 1 };

function refuseOddSizes(path: string, { metadata }: GgufHeader): void {
  const architecture = String(metadata.get('general.architecture'));
  const mistakes = Object.entries(sizeLimits).flatMap(([name, most]) => {
    const key = `${architecture}.${name}`;
    const value = metadata.get(key);
    const isOdd = value !== undefined && !(Number(value) >= 1 && Number(value) <= most);
    return isOdd ? [`The model file "${path}" has ${String(value)} as "${key}"; 1 to ${most} can be.`] : [];
  });
  if (mistakes.length > 0) throw new InputError('gguf-absurd', mistakes, fetchAgain);
}

function factsOf(path: string, { metadata, tensors }: GgufHeader): Omit<BaseModel, 'sha256' | 'path'> {
  const architecture = String(metadata.get('general.architecture'));
  const number = (key: string): number => Number(metadata.get(`${architecture}.${key}`) ?? 0);
  const name = metadata.get('general.name');
  return {
    name: typeof name === 'string' && name !== '' ? name : basename(path, '.gguf'),
    architecture,
    parameters: tensors.reduce((sum, { shape }) => sum + elementsOf(shape), 0),
    layers: number('block_count'),
    vocabularySize: lengthOf(metadata.get('tokenizer.ggml.tokens')) ?? number('vocab_size'),
    trainedContextTokens: number('context_length'),
    fileType: fileTypeOf(metadata.get('general.file_type'), tensors),
  };
}

const lengthOf = (value: GgufValue | undefined): number | null => (typeof value === 'object' ? value.length : null);

/** `general.file_type` in llama.cpp's own words. */
const fileTypes: ReadonlyMap<number, string> = new Map(
  // biome-ignore format: a table
  [[0, 'F32'], [1, 'F16'], [2, 'Q4_0'], [3, 'Q4_1'], [7, 'Q8_0'], [8, 'Q5_0'], [9, 'Q5_1'], [10, 'Q2_K'], [11, 'Q3_K_S'], [12, 'Q3_K_M'],
   [13, 'Q3_K_L'], [14, 'Q4_K_S'], [15, 'Q4_K_M'], [16, 'Q5_K_S'], [17, 'Q5_K_M'], [18, 'Q6_K'], [19, 'IQ2_XXS'], [20, 'IQ2_XS'],
   [21, 'Q2_K_S'], [22, 'IQ3_XS'], [23, 'IQ3_XXS'], [24, 'IQ1_S'], [25, 'IQ4_NL'], [26, 'IQ3_S'], [27, 'IQ3_M'], [28, 'IQ2_S'],
   [29, 'IQ2_M'], [30, 'IQ4_XS'], [31, 'IQ1_M'], [32, 'BF16'], [36, 'TQ1_0'], [37, 'TQ2_0'], [38, 'MXFP4']],
);

/** Without the key, the type that most numbers are stored in. */
function fileTypeOf(value: GgufValue | undefined, tensors: GgufHeader['tensors']): string {
  if (typeof value === 'number') return fileTypes.get(value) ?? `file type ${value}`;
  const elements = new Map<number, number>();
  for (const { type, shape } of tensors) elements.set(type, (elements.get(type) ?? 0) + elementsOf(shape));
  const [[most] = [0]] = [...elements].sort(([, a], [, b]) => b - a);
  return tensorTypeName(most);
}
