import type { Json } from '../../core/json.ts';
import type { AnswerPlan } from '../../core/lm.ts';
import { jsonLayout, layoutSchema } from './json-layout.ts';
import { planGrammar } from './plan-grammar.ts';

/**
 * How a server is told what an answer must look like, by the field of the request that says it. A grammar of the whole answer: `grammar`
 * (llama-server), `structured_outputs` (vLLM from 0.11), `guided_grammar` (vLLM before), `ebnf` (SGLang). A JSON schema, only for the chat
 * format "json": `response_format` (Ollama, clouds). Or `none`: decoded freely.
 */
export const constraints = [
  'grammar',
  'structured_outputs',
  'guided_grammar',
  'ebnf',
  'response_format',
  'none',
] as const;
export type Constraint = (typeof constraints)[number];

/** The fields of a request that hold an answer to its plan; empty where it is decoded freely. */
export function constraintFields(constraint: Constraint, plan: AnswerPlan): { readonly [field: string]: Json } {
  if (plan === null) return {};
  switch (constraint) {
    case 'grammar':
    case 'guided_grammar':
    case 'ebnf':
      return { [constraint]: planGrammar(plan) };
    case 'structured_outputs':
      return { structured_outputs: { grammar: planGrammar(plan) } };
    case 'response_format': {
      const layout = jsonLayout(plan);
      if (!layout) return {};
      const schema = layoutSchema(layout);
      return { response_format: { type: 'json_schema', json_schema: { name: 'answer', strict: true, schema } } };
    }
    case 'none':
      return {};
  }
}
