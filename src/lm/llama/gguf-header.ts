/** A value of the header. Arrays are walked, not kept: only their length is ever needed here. */
export type GgufValue = string | number | bigint | boolean | { readonly arrayOf: number; readonly length: number };

export interface GgufTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly type: number;
  /** From the start of the file; null when the type is newer than our table and its size unknown. */
  readonly end: number | null;
}

export interface GgufHeader {
  readonly version: number;
  readonly metadata: ReadonlyMap<string, GgufValue>;
  readonly tensors: readonly GgufTensor[];
  /** How long the file must be at least. */
  readonly fileBytes: number;
}

/** What is wrong with a header; `code` is stable. */
export class GgufMistake extends Error {
  override readonly name = 'GgufMistake';
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** The header goes on behind the bytes at hand. */
export class GgufHeaderLonger extends Error {
  override readonly name = 'GgufHeaderLonger';
}

// Far above every real model (a few hundred keys, 600 k merges, 100 kB of chat template), far below what would exhaust memory.
const limits = {
  keys: 65_536,
  tensors: 65_536,
  keyBytes: 65_535,
  stringBytes: 16 * 2 ** 20,
  arrayLength: 8 * 2 ** 20,
  dimensions: 4,
  // Numbered without large gaps, 42 so far: a newer one is left to llama.cpp.
  tensorType: 255,
} as const;

/** Elements and bytes of a block, by ggml tensor type. */
const blocks: ReadonlyMap<number, readonly [name: string, elements: number, bytes: number]> = new Map([
  [0, ['F32', 1, 4]],
  [1, ['F16', 1, 2]],
  [2, ['Q4_0', 32, 18]],
  [3, ['Q4_1', 32, 20]],
  [6, ['Q5_0', 32, 22]],
  [7, ['Q5_1', 32, 24]],
  [8, ['Q8_0', 32, 34]],
  [9, ['Q8_1', 32, 36]],
  [10, ['Q2_K', 256, 84]],
  [11, ['Q3_K', 256, 110]],
  [12, ['Q4_K', 256, 144]],
  [13, ['Q5_K', 256, 176]],
  [14, ['Q6_K', 256, 210]],
  [15, ['Q8_K', 256, 292]],
  [16, ['IQ2_XXS', 256, 66]],
  [17, ['IQ2_XS', 256, 74]],
  [18, ['IQ3_XXS', 256, 98]],
  [19, ['IQ1_S', 256, 50]],
  [20, ['IQ4_NL', 32, 18]],
  [21, ['IQ3_S', 256, 110]],
  [22, ['IQ2_S', 256, 82]],
  [23, ['IQ4_XS', 256, 136]],
  [24, ['I8', 1, 1]],
  [25, ['I16', 1, 2]],
  [26, ['I32', 1, 4]],
  [27, ['I64', 1, 8]],
  [28, ['F64', 1, 8]],
  [29, ['IQ1_M', 256, 56]],
  [30, ['BF16', 1, 2]],
  [34, ['TQ1_0', 256, 54]],
  [35, ['TQ2_0', 256, 66]],
  [39, ['MXFP4', 32, 17]],
]);

export const tensorTypeName = (type: number): string => blocks.get(type)?.[0] ?? `type ${type}`;

/**
 * Reads the header from the first bytes of a file of `fileBytes` bytes. Throws GgufHeaderLonger when more bytes are needed and there are
 * more, GgufMistake for everything that cannot be a GGUF model; never allocates more than the bytes at hand justify.
 */
export function parseGgufHeader(bytes: Buffer, fileBytes: number): GgufHeader {
  const cursor = cursorOver(bytes, fileBytes);
  if (fileBytes < 4 || cursor.take(4).toString('latin1') !== 'GGUF')
    throw new GgufMistake('gguf-magic', 'does not start with "GGUF"');
  const version = cursor.u32();
  if (version !== 2 && version !== 3)
    throw new GgufMistake('gguf-version', `has GGUF version ${version}; versions 2 and 3 can be read`);
  const tensorCount = cursor.count('tensors', limits.tensors);
  const keyCount = cursor.count('keys', limits.keys);
  const metadata = readMetadata(cursor, keyCount);
  const tensors = readTensors(cursor, tensorCount);
  const alignment = alignmentOf(metadata);
  const dataStart = Math.ceil(cursor.position() / alignment) * alignment;
  return placeTensors({ version, metadata, tensors, dataStart, alignment });
}

type Cursor = ReturnType<typeof cursorOver>;
type RawTensor = Omit<GgufTensor, 'end'> & { readonly offset: number };

function cursorOver(bytes: Buffer, fileBytes: number) {
  let at = 0;
  const take = (length: number): Buffer => {
    if (at + length > fileBytes)
      throw new GgufMistake(
        'gguf-truncated',
        `ends inside its header: at least ${at + length - fileBytes} bytes are missing`,
      );
    if (at + length > bytes.length) throw new GgufHeaderLonger();
    at += length;
    return bytes.subarray(at - length, at);
  };
  const u64 = (): bigint => take(8).readBigUInt64LE();
  const u32 = (): number => take(4).readUInt32LE();
  const count = (what: string, limit: number): number => {
    const value = u64();
    if (value > BigInt(limit))
      throw new GgufMistake('gguf-absurd', `claims ${value} ${what}; the most that is accepted is ${limit}`);
    return Number(value);
  };
  const text = (what: string, limit: number): string => take(count(`bytes in ${what}`, limit)).toString('utf8');
  return { take, u64, u32, count, text, position: () => at };
}

function readMetadata(cursor: Cursor, keyCount: number): Map<string, GgufValue> {
  const metadata = new Map<string, GgufValue>();
  for (let i = 0; i < keyCount; i++) {
    const key = cursor.text('a key', limits.keyBytes);
    if (metadata.has(key)) throw new GgufMistake('gguf-duplicate', `has the key "${key}" twice`);
    metadata.set(key, readValue(cursor, cursor.u32(), key));
  }
  return metadata;
}

/** Bytes of a scalar, by GGUF value type. */
const scalarBytes: ReadonlyMap<number, number> = new Map([
  [0, 1],
  [1, 1],
  [2, 2],
  [3, 2],
  [4, 4],
  [5, 4],
  [6, 4],
  [7, 1],
  [10, 8],
  [11, 8],
  [12, 8],
]);

function readValue(cursor: Cursor, type: number, key: string): GgufValue {
  switch (type) {
    case 0:
      return cursor.take(1).readUInt8();
    case 1:
      return cursor.take(1).readInt8();
    case 2:
      return cursor.take(2).readUInt16LE();
    case 3:
      return cursor.take(2).readInt16LE();
    case 4:
      return cursor.u32();
    case 5:
      return cursor.take(4).readInt32LE();
    case 6:
      return cursor.take(4).readFloatLE();
    case 7:
      return cursor.take(1).readUInt8() !== 0;
    case 8:
      return cursor.text(`the value of "${key}"`, limits.stringBytes);
    case 9:
      return readArray(cursor, key);
    case 10:
      return cursor.u64();
    case 11:
      return cursor.take(8).readBigInt64LE();
    case 12:
      return cursor.take(8).readDoubleLE();
    default:
      throw new GgufMistake('gguf-absurd', `gives "${key}" the value type ${type}, which does not exist`);
  }
}

function readArray(cursor: Cursor, key: string): GgufValue {
  const type = cursor.u32();
  const length = cursor.count(`items in "${key}"`, limits.arrayLength);
  const bytes = scalarBytes.get(type);
  if (bytes !== undefined) cursor.take(bytes * length);
  else if (type === 8)
    for (let i = 0; i < length; i++) cursor.take(cursor.count(`bytes in an item of "${key}"`, limits.stringBytes));
  else throw new GgufMistake('gguf-absurd', `has an array of value type ${type} at "${key}"`);
  return { arrayOf: type, length };
}

function readTensors(cursor: Cursor, count: number): RawTensor[] {
  const names = new Set<string>();
  return Array.from({ length: count }, () => {
    const name = cursor.text('a tensor name', limits.keyBytes);
    if (names.has(name)) throw new GgufMistake('gguf-duplicate', `has the tensor "${name}" twice`);
    names.add(name);
    const dimensions = cursor.u32();
    if (dimensions > limits.dimensions)
      throw new GgufMistake('gguf-absurd', `gives the tensor "${name}" ${dimensions} dimensions`);
    const shape = Array.from({ length: dimensions }, () => cursor.count(`rows in "${name}"`, 2 ** 40));
    if (elementsOf(shape) > 2 ** 48 || elementsOf(shape) === 0)
      throw new GgufMistake('gguf-absurd', `gives the tensor "${name}" the shape ${shape.join(' x ')}`);
    const type = cursor.u32();
    if (type > limits.tensorType)
      throw new GgufMistake('gguf-absurd', `gives the tensor "${name}" the type ${type}, which does not exist`);
    return { name, shape, type, offset: cursor.count(`bytes before "${name}"`, 2 ** 52) };
  });
}

/** How many numbers a tensor of this shape holds. */
export const elementsOf = (shape: readonly number[]): number => shape.reduce((product, length) => product * length, 1);

function alignmentOf(metadata: ReadonlyMap<string, GgufValue>): number {
  const alignment = metadata.get('general.alignment') ?? 32;
  const valid =
    typeof alignment === 'number' && alignment > 0 && alignment <= 2 ** 20 && Number.isInteger(Math.log2(alignment));
  if (!valid)
    throw new GgufMistake(
      'gguf-absurd',
      `has the alignment ${JSON.stringify(String(alignment))}, which is not a power of two`,
    );
  return alignment;
}

interface Placement {
  readonly version: number;
  readonly metadata: ReadonlyMap<string, GgufValue>;
  readonly tensors: readonly RawTensor[];
  readonly dataStart: number;
  readonly alignment: number;
}

function placeTensors({ version, metadata, tensors, dataStart, alignment }: Placement): GgufHeader {
  const placed = tensors.map(({ offset, ...tensor }): GgufTensor => {
    if (offset % alignment !== 0)
      throw new GgufMistake(
        'gguf-absurd',
        `puts the tensor "${tensor.name}" at ${offset}, which is not aligned to ${alignment}`,
      );
    const block = blocks.get(tensor.type);
    if (!block) return { ...tensor, end: null };
    const [typeName, elements, bytes] = block;
    if ((tensor.shape[0] ?? 1) % elements !== 0)
      throw new GgufMistake(
        'gguf-absurd',
        `has a row of ${tensor.shape[0]} in "${tensor.name}", which is no multiple of ${typeName}'s ${elements}`,
      );
    return { ...tensor, end: dataStart + offset + (elementsOf(tensor.shape) / elements) * bytes };
  });
  const fileBytes = placed.reduce((end, tensor) => Math.max(end, tensor.end ?? 0), dataStart);
  return { version, metadata, tensors: placed, fileBytes };
}
