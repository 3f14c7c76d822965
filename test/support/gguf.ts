/** GGUF files for tests, byte by byte, so that each kind of damage can be planted. */

export type Scalar = { readonly type: number; readonly bytes: Buffer };

const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};

const u64 = (value: number | bigint): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
};

const text = (value: string): Buffer => Buffer.concat([u64(Buffer.byteLength(value)), Buffer.from(value)]);

export const uint = (value: number): Scalar => ({ type: 4, bytes: u32(value) });
export const string = (value: string): Scalar => ({ type: 8, bytes: text(value) });
export const strings = (...values: string[]): Scalar => ({
  type: 9,
  bytes: Buffer.concat([u32(8), u64(values.length), ...values.map(text)]),
});
export const float = (value: number): Scalar => ({ type: 6, bytes: Buffer.from(Float32Array.of(value).buffer) });
export const bool = (value: boolean): Scalar => ({ type: 7, bytes: Buffer.of(Number(value)) });
export const ints = (values: readonly number[]): Scalar => ({
  type: 9,
  bytes: Buffer.concat([u32(5), u64(values.length), Buffer.from(Int32Array.from(values).buffer)]),
});
export const floats = (values: readonly number[]): Scalar => ({
  type: 9,
  bytes: Buffer.concat([u32(6), u64(values.length), Buffer.from(Float32Array.from(values).buffer)]),
});
export const arrayOf = (type: number, length: number | bigint): Scalar => ({
  type: 9,
  bytes: Buffer.concat([u32(type), u64(length)]),
});

export interface GgufParts {
  readonly magic?: string;
  readonly version?: number;
  /** Pairs, so that a key can be there twice. */
  readonly metadata?: readonly (readonly [string, Scalar])[];
  readonly tensors?: readonly { name: string; shape: readonly number[]; type: number; offset: number }[];
  readonly tensorCount?: number | bigint;
  readonly keyCount?: number | bigint;
  readonly data?: Buffer;
}

/** What a header needs to pass for a model with a chat template. */
export const modelMetadata: readonly (readonly [string, Scalar])[] = [
  ['general.architecture', string('llama')],
  ['general.name', string('Tiny')],
  ['general.file_type', uint(0)],
  ['llama.block_count', uint(2)],
  ['llama.context_length', uint(512)],
  ['tokenizer.ggml.tokens', strings('a', 'b', 'c')],
  ['tokenizer.chat_template', string('{{ messages }}')],
];

export function ggufBytes(parts: GgufParts = {}): Buffer {
  const { magic = 'GGUF', version = 3, metadata = modelMetadata, data = Buffer.alloc(64) } = parts;
  const tensors = parts.tensors ?? [{ name: 'token_embd.weight', shape: [4, 4], type: 0, offset: 0 }];
  const header = Buffer.concat([
    Buffer.from(magic, 'latin1'),
    u32(version),
    u64(parts.tensorCount ?? tensors.length),
    u64(parts.keyCount ?? metadata.length),
    ...metadata.flatMap(([key, { type, bytes }]) => [text(key), u32(type), bytes]),
    ...tensors.flatMap(({ name, shape, type, offset }) => [
      text(name),
      u32(shape.length),
      ...shape.map(u64),
      u32(type),
      u64(offset),
    ]),
  ]);
  const padding = Buffer.alloc((32 - (header.length % 32)) % 32);
  return Buffer.concat([header, padding, data]);
}
