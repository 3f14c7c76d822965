import { type Llama, LlamaGrammar, LlamaGrammarEvaluationState, type LlamaModel } from 'node-llama-cpp';
import { InputError } from '../../core/errors.ts';
import { rememberLast } from './remember.ts';

/** Compiled grammars by their text. */
export function createGrammars(llama: Llama, model: LlamaModel) {
  const get = rememberLast(64, (text: string) => new LlamaGrammar(llama, { grammar: text }));
  return {
    get,
    /** A grammar is only parsed when a state is made of it: to be called before a row takes a slot. */
    require: rememberLast(64, (text: string): true => {
      try {
        new LlamaGrammarEvaluationState({ model, grammar: get(text) });
        return true;
      } catch (cause) {
        throw new InputError(
          'grammar-invalid',
          [`llama.cpp cannot read this grammar:\n${text}`],
          'Use a simpler output type, or decoding "free".',
          { cause },
        );
      }
    }),
  };
}
