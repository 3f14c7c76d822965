import { InputError } from './errors.ts';

/** Whether every key of a literal strategy is known, at compile time. */
export type CheckedStrategy<S extends string, K extends string> = string extends S
  ? S
  : Keys<S> extends K
    ? S
    : `unknown key in "${S}"; known: ${K}`;

type Trim<S extends string> = S extends ` ${infer R}` ? Trim<R> : S extends `${infer R} ` ? Trim<R> : S;
type Keys<S extends string> = S extends `${infer A}->${infer B}` ? Trim<A> | Keys<B> : Trim<S>;

/** Reads `p -> w -> p` tolerantly: blanks do not matter, keys do. All mistakes at once. */
export function parseStrategy(text: string, known: readonly string[]): string[] {
  const keys = text.split(/->|→/).map((key) => key.trim());
  const hint = `Join these keys with "->": ${known.join(', ')}. For example: ${known[0] ?? 'p'}${known[1] ? ` -> ${known[1]}` : ''}`;
  if (text.trim() === '') throw new InputError('strategy-empty', ['The strategy is empty.'], hint);
  const mistakes = keys.flatMap((key, index) => {
    if (key === '') return [`Step ${index + 1} of the strategy "${text}" has no key.`];
    return known.includes(key)
      ? []
      : [`Step ${index + 1} of the strategy "${text}" is "${key}", which is not the key of an optimizer.`];
  });
  if (mistakes.length > 0) throw new InputError('strategy-unknown-key', mistakes, hint);
  return keys;
}

/** How a strategy, or its first steps, is written: `p -> w`. */
export const strategyText = (keys: readonly string[]): string => keys.join(' -> ');
