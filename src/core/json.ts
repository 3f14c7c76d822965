import { hash } from 'node:crypto';

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json | undefined };

/** Named values, as a program sees them: the inputs or the outputs of one predictor, or the labels of one example. */
export type Fields = { readonly [name: string]: Json };

/** Serializes with sorted keys and without `undefined`, so that equal values have equal text. */
export function canonicalJson(value: Json): string {
  if (typeof value === 'number' && !Number.isFinite(value)) throw new TypeError(`${value} is not JSON`);
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  // `as`: Array.isArray does not narrow readonly arrays out of the union.
  const members = value as { readonly [key: string]: Json | undefined };
  let text = '';
  // The order of UTF-16 code units.
  for (const name of Object.keys(members).sort()) {
    const item = members[name];
    if (item !== undefined) text += `${text && ','}${JSON.stringify(name)}:${canonicalJson(item)}`;
  }
  return `{${text}}`;
}

/** Hexadecimal sha256 of a text. */
export const textId = (text: string): string => hash('sha256', text, 'hex');

/** Hexadecimal sha256 of the canonical text of a value: equal content, equal id. */
export const contentId = (value: Json): string => textId(canonicalJson(value));

/** The first 12 digits of an id, for people. */
export const shortId = (id: string): string => id.slice(0, 12);
