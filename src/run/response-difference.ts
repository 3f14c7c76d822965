import { canonicalJson, type Json } from '../core/json.ts';
import type { LmResponse } from '../core/lm.ts';
import type { Place, ResponseDifference } from '../core/verification.ts';

/** Where two responses first differ; null when they are equal to the last byte. */
export function responseDifference(stored: LmResponse, now: LmResponse): ResponseDifference | null {
  const field = firstField(asJson(stored), asJson(now));
  if (field === null) return null;
  const [before, after] = [answerOf(stored), answerOf(now)];
  return {
    field,
    token: firstPlace(before.completionIds, after.completionIds),
    piece: firstPlace(before.pieces, after.pieces),
  };
}

/** Whether a reader would see the same: the texts of two answers, or the kinds of two failures. */
export function isSameAnswer(stored: LmResponse, now: LmResponse): boolean {
  if (stored.failure || now.failure) return stored.failure?.kind === now.failure?.kind;
  return stored.pieces.join('') === now.pieces.join('');
}

// What matters most comes first; what a later version adds is compared as well.
const inOrder = ['failure', 'completionIds', 'pieces', 'usage'];

type JsonObject = { readonly [name: string]: Json | undefined };

function firstField(stored: JsonObject, now: JsonObject): string | null {
  const names = new Set([...inOrder, ...Object.keys(stored).sort(), ...Object.keys(now).sort()]);
  for (const name of names) {
    const [a, b] = [stored[name], now[name]];
    if (a === undefined && b === undefined) continue;
    if (a !== undefined && b !== undefined && canonicalJson(a) === canonicalJson(b)) continue;
    const inner = isObject(a) && isObject(b) ? firstField(a, b) : null;
    return inner === null ? name : `${name}.${inner}`;
  }
  return null;
}

const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

// `as`: responses are plain data.
const asJson = (response: LmResponse): JsonObject => response as unknown as JsonObject;

const answerOf = (response: LmResponse): Pick<LmResponse & { failure: null }, 'pieces' | 'completionIds'> =>
  response.failure === null ? response : { pieces: [], completionIds: [] };

function firstPlace(stored: readonly Json[], now: readonly Json[]): Place | null {
  const length = Math.max(stored.length, now.length);
  for (let index = 0; index < length; index++)
    if (stored[index] !== now[index]) return { index, stored: stored[index] ?? null, now: now[index] ?? null };
  return null;
}
