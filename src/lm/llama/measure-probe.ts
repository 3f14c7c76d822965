import { InputError } from '../../core/errors.ts';
import type { Probe } from '../../core/lm.ts';
import { measure, type Steps } from './steps.ts';

// A distribution crosses from native code as a Map with an entry for each token (4 MB at 49 k); all of a long prompt's at once ran the
// heap out at 4 GB.
const distributionsPerPass = 8;

/** The distributions at a probe's positions, in their order, in passes of few positions. */
export function* measureProbe({ ids, positions }: Probe, batchTokens: number): Steps<Float32Array[]> {
  const wanted = new Set(positions);
  const found = new Map<number, Float32Array>();
  for (let start = 0; start < ids.length && found.size < wanted.size; ) {
    const end = passEnd(start, ids.length, wanted, batchTokens);
    const at = range(start, end).filter((position) => wanted.has(position));
    const distributions = yield* measure(
      { keep: start, tokens: ids.slice(start, end) },
      at.map((position) => position - start),
    );
    for (const [index, position] of at.entries()) found.set(position, distributions[index]!);
    start = end;
  }
  return positions.map((position) => found.get(position)!);
}

const range = (start: number, end: number): number[] =>
  Array.from({ length: end - start }, (_, index) => start + index);

function passEnd(start: number, length: number, wanted: ReadonlySet<number>, batchTokens: number): number {
  let asked = 0;
  let end = start;
  while (end < length && end - start < batchTokens && asked < distributionsPerPass) if (wanted.has(end++)) asked++;
  return end;
}

/** One bad token id would fail every row of its batch. */
export function requireValidProbe({ ids, positions }: Probe, vocabularySize: number, capacity: number): void {
  const mistakes: string[] = [];
  if (ids.length === 0 || ids.length > capacity)
    mistakes.push(`A probe has ${ids.length} tokens; it must have 1 to ${capacity}.`);
  const strangers = ids.filter((id) => !Number.isInteger(id) || id < 0 || id >= vocabularySize);
  if (strangers.length > 0)
    mistakes.push(
      `A probe has the token ids ${strangers.slice(0, 5).join(', ')}; the vocabulary has ${vocabularySize}.`,
    );
  const outside = positions.filter((position) => !Number.isInteger(position) || position < 0 || position >= ids.length);
  if (outside.length > 0)
    mistakes.push(`A probe asks at ${outside.slice(0, 5).join(', ')}, outside its ${ids.length} tokens.`);
  if (mistakes.length > 0)
    throw new InputError('probe-invalid', mistakes, 'Make the probe with encode() of the same model.');
}
