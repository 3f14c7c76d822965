import { z } from 'zod';
import type { Example } from '../core/example.ts';
import type { Json } from '../core/json.ts';
import type { OptimizerContext } from '../core/optimizer.ts';

/** What happens to words for a prompt that quote a train or val row: they are not used, used with a notice, or used. */
export const leakGuardMode = z.enum(['reject', 'flag', 'off']).default('reject');

export type LeakGuardMode = z.output<typeof leakGuardMode>;

/** So many words in a row are a quotation: shorter runs are the language, longer ones would miss one that was cut. */
const quotedWords = 6;

/** What an instruction has word for word from the rows it will be judged on, or null. */
export type LeakGuard = (instructions: string) => string | null;

/** Guards the rows of a run: what its program says itself may be said. */
export function leakGuardOf({ structure, train, val }: OptimizerContext, mode: LeakGuardMode): LeakGuard {
  if (mode === 'off') return () => null;
  const known = Object.values(structure.predictors).flatMap(({ instructions, inputFields, outputFields }) => [
    instructions,
    ...[...inputFields, ...outputFields].map((field) => JSON.stringify(field)),
  ]);
  return leakGuard([...train, ...val], known);
}

/**
 * Compares words, without case and punctuation. A value of three to five words counts when it is there as a whole; what the program's own
 * instructions and field descriptions say (`known`) does not count.
 */
export function leakGuard(examples: readonly Example[], known: readonly string[]): LeakGuard {
  const allowed = new Set(known.flatMap((text) => runsOf(wordsOf(text))));
  const quotable = new Set<string>();
  for (const { inputs, labels } of examples)
    for (const text of [...Object.values(inputs), ...Object.values(labels)].flatMap(textsIn)) {
      const words = wordsOf(text);
      const runs =
        words.length >= quotedWords ? runsOf(words, quotedWords) : words.length >= 3 ? [words.join(' ')] : [];
      for (const run of runs) if (!allowed.has(run)) quotable.add(run);
    }
  return (instructions) => runsOf(wordsOf(instructions)).find((run) => quotable.has(run)) ?? null;
}

const wordsOf = (text: string): string[] =>
  text
    .normalize('NFKC')
    .toLowerCase()
    .match(/[\p{L}\p{N}]+/gu) ?? [];

/** Runs of three to so many words as a quotation has; or only those of one length. */
function runsOf(words: readonly string[], length?: number): string[] {
  const lengths = length === undefined ? [3, 4, 5, quotedWords] : [length];
  return lengths.flatMap((size) =>
    Array.from({ length: Math.max(0, words.length - size + 1) }, (_, start) =>
      words.slice(start, start + size).join(' '),
    ),
  );
}

function textsIn(value: Json | undefined): string[] {
  if (typeof value === 'string') return [value];
  if (typeof value !== 'object' || value === null) return [];
  return Object.values(value).flatMap(textsIn);
}
