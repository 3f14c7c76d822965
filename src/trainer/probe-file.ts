import { readFileSync } from 'node:fs';
import type { Probe } from '../core/lm.ts';
import { withFile } from '../system/files.ts';

/** Reads raw little-endian float32 of shape [positions of all probes in order, vocabulary]: one array for each position. */
export function readProbeFile(path: string, probes: readonly Probe[]): Float32Array[] {
  const positions = probes.reduce((sum, probe) => sum + probe.positions.length, 0);
  if (positions === 0) return []; // then there is no file
  const bytes = withFile(path, () => readFileSync(path));
  const vocabulary = bytes.length / Float32Array.BYTES_PER_ELEMENT / positions;
  if (!Number.isInteger(vocabulary)) throw new Error(`${path} has ${bytes.length} bytes for ${positions} positions`);
  // A copy, because a view needs an offset that is a multiple of 4. (Node runs on little-endian machines.)
  const numbers = new Float32Array(Uint8Array.from(bytes).buffer);
  return Array.from({ length: positions }, (_, row) => numbers.subarray(row * vocabulary, (row + 1) * vocabulary));
}
