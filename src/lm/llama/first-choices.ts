import type { LlamaContextSequence, LlamaGrammarEvaluationState, LlamaModel } from 'node-llama-cpp';
import type { NativeGarbage } from './native-garbage.ts';

/** Looks at the logits that a sequence samples from, for what the model itself would have written. */
export interface FirstChoices {
  /** Samples one token; tells whether the grammar did not allow the most probable one. Without a grammar nothing is looked at. */
  during<Result>(
    grammar: LlamaGrammarEvaluationState | null,
    sample: () => Promise<Result>,
  ): Promise<{ readonly result: Result; readonly isOverruled: boolean }>;
}

interface FirstChoicesOptions {
  readonly sequence: LlamaContextSequence;
  readonly model: LlamaModel;
  readonly garbage: NativeGarbage;
}

type SampleAt = (logitIndex: number, tokenIndex: number) => Promise<unknown>;
type Decode = (
  tokens: unknown,
  logits: unknown,
  priority: unknown,
  meter: unknown,
  shift: unknown,
  sample: SampleAt,
  after: unknown,
) => Promise<unknown>;

/**
 * What node-llama-cpp 3.22.1, the version that package.json names, has behind its types: llama.cpp tries the model's own choice first and
 * does not tell when the grammar refused it, and the public ways to a second look all cost a second forward pass.
 */
interface Inner {
  readonly sequence: { _decodeTokens: Decode };
  readonly context: { readonly _ctx: { sampleToken(logitIndex: number, sampler: Sampler): Promise<number> } };
  readonly model: {
    readonly _llama: { readonly _bindings: { readonly AddonSampler: SamplerClass } };
    readonly _model: object;
  };
  readonly grammar: { readonly _state: object };
}

interface Sampler {
  applyConfig(config: { readonly temperature: number }): void;
}

interface SamplerClass {
  new (model: object): Sampler;
  canBeNextTokenForGrammarEvaluationState(grammar: object, token: number): boolean;
}

/** The logits are only read, so that answers stay the same to the last byte. */
export function firstChoices({ sequence, model, garbage }: FirstChoicesOptions): FirstChoices {
  // `as`, here and below: see Inner.
  const inner = sequence as unknown as Inner['sequence'];
  const { _ctx: context } = sequence.context as unknown as Inner['context'];
  const { _llama, _model } = model as unknown as Inner['model'];
  const { AddonSampler } = _llama._bindings;
  const decode = inner._decodeTokens.bind(sequence);
  let greedy: Sampler | null = null;
  let watched: Inner['grammar'] | null = null;
  let isOverruled = false;

  function greedySampler(): Sampler {
    if (greedy) return greedy;
    garbage.addSampler();
    greedy = new AddonSampler(_model);
    greedy.applyConfig({ temperature: 0 });
    return greedy;
  }

  const looking =
    ({ _state }: Inner['grammar'], sample: SampleAt): SampleAt =>
    async (logitIndex, tokenIndex) => {
      const first = await context.sampleToken(logitIndex, greedySampler());
      isOverruled = !AddonSampler.canBeNextTokenForGrammarEvaluationState(_state, first);
      return sample(logitIndex, tokenIndex);
    };

  inner._decodeTokens = (tokens, logits, priority, meter, shift, sample, after) =>
    decode(tokens, logits, priority, meter, shift, watched ? looking(watched, sample) : sample, after);

  return {
    async during(grammar, sample) {
      watched = grammar as unknown as Inner['grammar'] | null;
      isOverruled = false;
      try {
        return { result: await sample(), isOverruled };
      } finally {
        watched = null;
      }
    },
  };
}
