import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import type { AdapterFile } from '../../src/core/lm.ts';
import { seededRng } from '../../src/core/rng.ts';
import { float, ggufBytes, string } from './gguf.ts';

/** A LoRA adapter for the tiny model, on one matrix; `embedding` is the width it fits. */
export function writeTinyAdapter(path: string, seed: string, embedding = 64): AdapterFile {
  const rng = seededRng(seed);
  const rank = 4;
  const matrix = () => Float32Array.from({ length: rank * embedding }, () => rng.next() - 0.5);
  const data = Buffer.concat([matrix(), matrix()].map(({ buffer }) => Buffer.from(buffer)));
  writeFileSync(
    path,
    ggufBytes({
      metadata: [
        ['general.architecture', string('llama')],
        ['general.type', string('adapter')],
        ['adapter.type', string('lora')],
        ['adapter.lora.alpha', float(8)],
      ],
      tensors: [
        { name: 'blk.0.attn_output.weight.lora_a', shape: [embedding, rank], type: 0, offset: 0 },
        { name: 'blk.0.attn_output.weight.lora_b', shape: [rank, embedding], type: 0, offset: data.length / 2 },
      ],
      data,
    }),
  );
  return { path, sha256: createHash('sha256').update(readFileSync(path)).digest('hex') };
}
