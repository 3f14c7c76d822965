import { type FileHandle, open } from 'node:fs/promises';
import { InputError, WorldError } from '../../core/errors.ts';
import type { AdapterFile, BaseModel } from '../../core/lm.ts';
import { fileDigest } from './file-digest.ts';
import { readGgufHeader } from './gguf-file.ts';
import { elementsOf, type GgufTensor } from './gguf-header.ts';

/**
 * Throws a WorldError when the file is not there as its id says, an InputError when what is in it is no adapter for this base. Native code
 * gives one reason for all of that, and takes numbers that are none.
 */
export async function requireAdapter(adapter: AdapterFile, base: BaseModel): Promise<void> {
  await requireContent(adapter);
  const key = `${base.sha256} ${adapter.sha256}`;
  const check = checks.get(key) ?? requireFit(adapter.path, base);
  checks.set(key, check);
  check.catch(() => checks.delete(key));
  await check;
}

// By content, which never becomes another.
const checks = new Map<string, Promise<void>>();

async function requireContent({ path, sha256 }: AdapterFile): Promise<void> {
  const found = await fileDigest(path).catch((cause: unknown) => {
    throw new WorldError(
      'adapter-missing',
      `The adapter "${path}" cannot be read.`,
      'Run again: a training whose adapter is gone is repeated.',
      { cause },
    );
  });
  if (found !== sha256)
    throw new WorldError(
      'adapter-changed',
      `The adapter "${path}" has the sha256 ${found}, not ${sha256}.`,
      'Put the file back, or remove it and run again: the training is repeated then.',
    );
}

async function requireFit(path: string, base: BaseModel): Promise<void> {
  const { metadata, tensors } = await readGgufHeader(path, 'adapter file');
  if (metadata.get('adapter.type') !== 'lora')
    throw refusal('adapter-kind', `"${path}" is not a LoRA adapter.`, 'Name the adapter.gguf that a weight step made.');
  const architecture = metadata.get('general.architecture');
  if (architecture !== base.architecture)
    throw refusal(
      'adapter-not-loaded',
      `The adapter "${path}" is for the architecture "${String(architecture)}", and "${base.name}" is "${base.architecture}".`,
      'Use it with the base model it was trained on.',
    );
  await using file = await open(path, 'r');
  for (const tensor of tensors)
    if (!(await hasNumbersOnly(file, tensor)))
      throw refusal(
        'adapter-not-numbers',
        `The adapter "${path}" has values in "${tensor.name}" that are no numbers.`,
        'Its training has diverged: train again with a lower learning rate.',
      );
}

const refusal = (code: string, mistake: string, hint: string): InputError => new InputError(code, [mistake], hint);

/** By tensor type: bytes of a number, and the exponent that infinities and NaN have. Other types are left to llama.cpp. */
const formats = new Map([
  [0, { bytes: 4, exponent: 0x7f800000 }],
  [1, { bytes: 2, exponent: 0x7c00 }],
]);

async function hasNumbersOnly(file: FileHandle, { type, shape, end }: GgufTensor): Promise<boolean> {
  const format = formats.get(type);
  if (!format || end === null) return true;
  const { bytes, exponent } = format;
  const length = elementsOf(shape) * bytes;
  const { buffer } = await file.read(Buffer.alloc(length), 0, length, end - length);
  for (let at = 0; at < length; at += bytes) if ((buffer.readUIntLE(at, bytes) & exponent) === exponent) return false;
  return true;
}
