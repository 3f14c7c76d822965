import type { Stats } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { InputError } from '../../core/errors.ts';
import type { BaseModel } from '../../core/lm.ts';
import { fileDigest } from './file-digest.ts';
import {
  elementsOf,
  type GgufHeader,
  GgufHeaderLonger,
  GgufMistake,
  type GgufValue,
  parseGgufHeader,
  tensorTypeName,
} from './gguf-header.ts';

/** A model file that was read and found whole, and what its header says beyond BaseModel. */
export interface ModelFile {
  readonly base: BaseModel;
  readonly hasChatTemplate: boolean;
}

/** Checks a GGUF file, without native code, and names it by content; throws an InputError that says what is wrong and what to do. */
export async function readModelFile(path: string): Promise<ModelFile> {
  const absolute = resolve(path);
  const info = await statOf(absolute);
  const header = await readHeader(absolute, info.size);
  refuseOtherKinds(absolute, header);
  const base = { sha256: await fileDigest(absolute), path: absolute, ...factsOf(absolute, header) };
  return { base, hasChatTemplate: typeof header.metadata.get('tokenizer.chat_template') === 'string' };
}

const chooseAnother =
  'Name a GGUF model file, such as models/SmolLM2-135M-Instruct.Q8_0.gguf, which `npm run setup` makes.';
const fetchAgain = 'Fetch the file again and compare its size and sha256 with the source.';

async function statOf(path: string): Promise<Stats> {
  const info = await stat(path).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT' || cause.code === 'ENOTDIR')
      throw new InputError('gguf-missing', [`There is no model file at "${path}".`], chooseAnother, { cause });
    throw new InputError(
      'gguf-unreadable',
      [`The model file "${path}" cannot be read: ${cause.message}.`],
      chooseAnother,
      { cause },
    );
  });
  if (info.isDirectory())
    throw new InputError('gguf-folder', [`"${path}" is a folder, not a model file.`], chooseAnother);
  if (!info.isFile()) throw new InputError('gguf-unreadable', [`"${path}" is not a regular file.`], chooseAnother);
  if (info.size === 0) throw new InputError('gguf-empty', [`The model file "${path}" is empty.`], fetchAgain);
  return info;
}

const firstRead = 4 * 2 ** 20;
const longestHeader = 512 * 2 ** 20;

async function readHeader(path: string, fileBytes: number): Promise<GgufHeader> {
  try {
    await using file = await openForReading(path);
    for (let length = firstRead; ; length *= 4) {
      const header = tryHeader(await firstBytes(file, Math.min(length, fileBytes)), fileBytes);
      if (header) return whole(header, fileBytes);
      if (length > longestHeader)
        throw new GgufMistake('gguf-absurd', `has a header of more than ${longestHeader} bytes`);
    }
  } catch (cause) {
    if (!(cause instanceof GgufMistake)) throw cause;
    throw new InputError(cause.code, [`The model file "${path}" ${cause.message}.`], hints[cause.code] ?? fetchAgain, {
      cause,
    });
  }
}

const hints: Readonly<Record<string, string>> = {
  'gguf-magic':
    'This is not a GGUF file (safetensors and PyTorch files have to be converted with llama.cpp first). ' +
    chooseAnother,
  'gguf-version': 'Convert the model again with a current llama.cpp.',
};

async function openForReading(path: string): Promise<FileHandle> {
  return open(path, 'r').catch((cause: NodeJS.ErrnoException) => {
    throw new InputError(
      'gguf-unreadable',
      [`The model file "${path}" cannot be read: ${cause.message}.`],
      chooseAnother,
      { cause },
    );
  });
}

async function firstBytes(file: FileHandle, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, 0);
  return buffer.subarray(0, bytesRead);
}

function tryHeader(bytes: Buffer, fileBytes: number): GgufHeader | null {
  try {
    return parseGgufHeader(bytes, fileBytes);
  } catch (error) {
    if (error instanceof GgufHeaderLonger) return null;
    throw error;
  }
}

function whole(header: GgufHeader, fileBytes: number): GgufHeader {
  const missing = header.fileBytes - fileBytes;
  if (missing > 0)
    throw new GgufMistake('gguf-truncated', `is cut off: ${missing} of its ${header.fileBytes} bytes are missing`);
  return header;
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
