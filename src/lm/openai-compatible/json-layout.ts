import type { JsonSchema } from '../../core/field.ts';
import type { Json } from '../../core/json.ts';
import type { AnswerPart } from '../../core/lm.ts';

/** By field, in the order of the answer: what its value may be. */
export type JsonLayout = ReadonlyMap<string, JsonSchema>;

/** The JSON object that a plan lays out; null for a plan of another layout. */
export function jsonLayout(plan: readonly AnswerPart[]): JsonLayout | null {
  const [first] = plan;
  if (first?.type !== 'text' || !first.text.startsWith('{')) return null;
  const fields = new Map<string, JsonSchema>();
  for (const [index, part] of plan.entries()) {
    if (part.type === 'text') continue;
    const before = plan[index - 1];
    const [, name, quote] = (before?.type === 'text' && /"(\w+)": ("?)$/.exec(before.text)) || [];
    if (name === undefined) return null;
    fields.set(name, schemaOf(part, quote === '"'));
  }
  return fields;
}

function schemaOf(part: Exclude<AnswerPart, { type: 'text' }>, isQuoted: boolean): JsonSchema {
  if (part.type === 'value') return part.schema ?? { type: 'string' };
  // `as`: JSON.parse returns JSON.
  return { enum: part.options.map((option) => JSON.parse(isQuoted ? `"${option}"` : option) as Json) };
}

/** In the strict form that clouds ask for: every field required, no other allowed. */
export const layoutSchema = (layout: JsonLayout): JsonSchema => ({
  type: 'object',
  properties: Object.fromEntries(layout),
  required: [...layout.keys()],
  additionalProperties: false,
});
