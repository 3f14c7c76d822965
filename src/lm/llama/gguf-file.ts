import type { Stats } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { InputError } from '../../core/errors.ts';
import { type GgufHeader, GgufHeaderLonger, GgufMistake, parseGgufHeader } from './gguf-header.ts';

export const chooseAnother =
  'Name a GGUF model file, such as models/SmolLM2-135M-Instruct.Q8_0.gguf, which `npm run setup` makes.';
export const fetchAgain = 'Fetch the file again and compare its size and sha256 with the source.';

/** The header of a file that is there as a whole; throws an InputError that says what is wrong and what to do. */
export async function readGgufHeader(path: string, what: 'model file' | 'adapter file'): Promise<GgufHeader> {
  const { size } = await statOf(path, what);
  return readHeader(path, size, what);
}

async function statOf(path: string, what: string): Promise<Stats> {
  const info = await stat(path).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT' || cause.code === 'ENOTDIR')
      throw new InputError('gguf-missing', [`There is no ${what} at "${path}".`], chooseAnother, { cause });
    throw new InputError(
      'gguf-unreadable',
      [`The ${what} "${path}" cannot be read: ${cause.message}.`],
      chooseAnother,
      { cause },
    );
  });
  if (info.isDirectory()) throw new InputError('gguf-folder', [`"${path}" is a folder, not a ${what}.`], chooseAnother);
  if (!info.isFile()) throw new InputError('gguf-unreadable', [`"${path}" is not a regular file.`], chooseAnother);
  if (info.size === 0) throw new InputError('gguf-empty', [`The ${what} "${path}" is empty.`], fetchAgain);
  return info;
}

const firstRead = 4 * 2 ** 20;
const longestHeader = 512 * 2 ** 20;

async function readHeader(path: string, fileBytes: number, what: string): Promise<GgufHeader> {
  try {
    await using file = await openForReading(path, what);
    for (let length = firstRead; ; length *= 4) {
      const header = tryHeader(await firstBytes(file, Math.min(length, fileBytes)), fileBytes);
      if (header) return whole(header, fileBytes);
      if (length > longestHeader)
        throw new GgufMistake('gguf-absurd', `has a header of more than ${longestHeader} bytes`);
    }
  } catch (cause) {
    if (!(cause instanceof GgufMistake)) throw cause;
    const hint = hints[cause.code] ?? fetchAgain;
    throw new InputError(cause.code, [`The ${what} "${path}" ${cause.message}.`], hint, { cause });
  }
}

const hints: Readonly<Record<string, string>> = {
  'gguf-magic':
    'This is not a GGUF file (safetensors and PyTorch files have to be converted with llama.cpp first). ' +
    chooseAnother,
  'gguf-version': 'Convert the model again with a current llama.cpp.',
};

async function openForReading(path: string, what: string): Promise<FileHandle> {
  return open(path, 'r').catch((cause: NodeJS.ErrnoException) => {
    throw new InputError(
      'gguf-unreadable',
      [`The ${what} "${path}" cannot be read: ${cause.message}.`],
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
