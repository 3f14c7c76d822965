import { z } from 'zod';
import { type Field, fieldsOf } from './field.ts';
import type { Json } from './json.ts';
import type { SignatureShapes } from './signature-string.ts';
import { parseSignature } from './signature-string.ts';

/** The part of a signature that prompts and grammars are made of: plain data. */
export interface SignatureFields {
  readonly instructions: string;
  readonly inputFields: readonly Field[];
  readonly outputFields: readonly Field[];
}

/** What one model call promises: typed inputs, typed outputs, and the words that ask for them. */
export interface Signature<I extends z.ZodRawShape = z.ZodRawShape, O extends z.ZodRawShape = z.ZodRawShape>
  extends SignatureFields {
  readonly inputs: z.ZodObject<I>;
  readonly outputs: z.ZodObject<O>;
}

export type InputsOf<S extends Signature> = z.input<S['inputs']>;
export type OutputsOf<S extends Signature> = z.output<S['outputs']>;

/**
 * A signature from zod shapes, or from a string such as `"ticket -> team: 'billing' | 'delivery'"`, from which TypeScript infers the types.
 * A field without a type is a string. Known types: str, int, float, bool, list[…], T[], and unions of quoted words.
 */
export function signature<const S extends string>(
  text: S,
  instructions?: string,
): Signature<SignatureShapes<S>['inputs'], SignatureShapes<S>['outputs']>;
export function signature<I extends z.ZodRawShape, O extends z.ZodRawShape>(spec: {
  instructions?: string;
  inputs: I;
  outputs: O;
}): Signature<I, O>;
export function signature(
  spec: string | { instructions?: string; inputs: z.ZodRawShape; outputs: z.ZodRawShape },
  instructions?: string,
): Signature {
  const { inputs, outputs, ...rest } = typeof spec === 'string' ? { ...parseSignature(spec), instructions } : spec;
  return {
    instructions: rest.instructions ?? defaultInstructions(Object.keys(inputs), Object.keys(outputs)),
    inputs: z.object(inputs),
    outputs: z.object(outputs),
    inputFields: fieldsOf(inputs, 'input'),
    outputFields: fieldsOf(outputs, 'output'),
  };
}

/** The same sentence that a DSPy user gets without a docstring. */
function defaultInstructions(inputs: readonly string[], outputs: readonly string[]): string {
  const quoted = (names: readonly string[]) => names.map((name) => `\`${name}\``).join(', ');
  return `Given the fields ${quoted(inputs)}, produce the fields ${quoted(outputs)}.`;
}

/** A signature with one more output in front, which the model writes before the others. */
export function withReasoning<S extends Signature>(base: S): Signature {
  const reasoning = { reasoning: z.string().describe('think step by step') };
  return signature({
    instructions: base.instructions,
    inputs: base.inputs.shape,
    outputs: { ...reasoning, ...base.outputs.shape },
  });
}

/** The plain part of a signature, for ids and for the record. */
export function signatureJson({ instructions, inputFields, outputFields }: SignatureFields): Json {
  // `as`: fields are plain data.
  return { instructions, inputFields, outputFields } as unknown as Json;
}
