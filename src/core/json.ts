import { createHash } from 'node:crypto';

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json | undefined };

/** Named values, as a program sees them: the inputs or the outputs of one predictor, or the labels of one example. */
export type Fields = { readonly [name: string]: Json };

/** Serializes with sorted keys and without `undefined`, so that equal values have equal text. */
export function canonicalJson(value: Json): string {
  if (typeof value === 'number' && !Number.isFinite(value)) throw new TypeError(`${value} is not JSON`);
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  // `as`: Array.isArray does not narrow readonly arrays out of the union.
  const entries = Object.entries(value as { [key: string]: Json | undefined })
    .filter((entry): entry is [string, Json] => entry[1] !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${canonicalJson(item)}`).join(',')}}`;
}

/** Hexadecimal sha256 of the canonical text of a value: equal content, equal id. */
export function contentId(value: Json): string {
  return createHash('sha256').update(canonicalJson(value)).digest('hex');
}

/** The first 12 digits of an id, for people. */
export const shortId = (id: string): string => id.slice(0, 12);
