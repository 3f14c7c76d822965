import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';

// SmolLM2-135M: 30 blocks; what each of their matrices reads and writes.
const blocks = 30;
const matrices = {
  attn_q: [576, 576],
  attn_k: [576, 192],
  attn_v: [576, 192],
  attn_output: [576, 576],
  ffn_gate: [576, 1536],
  ffn_up: [576, 1536],
  ffn_down: [1536, 576],
};

/** Writes a LoRA adapter for the default model on all its matrices, as a training leaves one: so large, and with an effect. */
export function writeAdapter(path, seed, rank = 16) {
  const tensors = Array.from({ length: blocks }).flatMap((_, block) =>
    Object.entries(matrices).flatMap(([name, [reads, writes]]) => [
      { name: `blk.${block}.${name}.weight.lora_a`, shape: [reads, rank] },
      { name: `blk.${block}.${name}.weight.lora_b`, shape: [rank, writes] },
    ]),
  );
  let offset = 0;
  const infos = tensors.map(({ name, shape }) => {
    const info = [string(name), u32(2), ...shape.map(u64), u32(0), u64(offset)];
    offset += Math.ceil((shape[0] * shape[1] * 4) / alignment) * alignment;
    return Buffer.concat(info);
  });
  const metadata = [
    [string('general.architecture'), u32(8), string('llama')],
    [string('general.type'), u32(8), string('adapter')],
    [string('adapter.type'), u32(8), string('lora')],
    [string('adapter.lora.alpha'), u32(6), f32(rank)],
  ];
  const head = Buffer.concat([
    Buffer.from('GGUF'),
    u32(3),
    u64(tensors.length),
    u64(metadata.length),
    ...metadata.flat(),
    ...infos,
  ]);
  const weights = new Float32Array(offset / 4);
  let state = seed + 1;
  for (let index = 0; index < weights.length; index++) {
    state = (state * 1103515245 + 12345) % 2147483648;
    weights[index] = (state / 2147483648 - 0.5) / 50;
  }
  const padding = Buffer.alloc(Math.ceil(head.length / alignment) * alignment - head.length);
  const bytes = Buffer.concat([head, padding, Buffer.from(weights.buffer)]);
  writeFileSync(path, bytes);
  return { path, sha256: createHash('sha256').update(bytes).digest('hex') };
}

const alignment = 32;

function number(size, write) {
  const buffer = Buffer.alloc(size);
  write(buffer);
  return buffer;
}
const u32 = (value) => number(4, (buffer) => buffer.writeUInt32LE(value));
const u64 = (value) => number(8, (buffer) => buffer.writeBigUInt64LE(BigInt(value)));
const f32 = (value) => number(4, (buffer) => buffer.writeFloatLE(value));
const string = (text) => Buffer.concat([u64(Buffer.byteLength(text)), Buffer.from(text)]);
