import {
  type ControlledEvaluateInputItem,
  type EvaluationPriority,
  type LlamaContextSequence,
  type LlamaGrammar,
  LlamaGrammarEvaluationState,
  type LlamaModel,
  type TokenBias,
} from 'node-llama-cpp';
import type { Sampler, Step, StepResult } from './answer.ts';
import { logDistribution } from './log-distribution.ts';
import type { PrefixStates } from './prefix-states.ts';
import { asTokens, type Prefix } from './renderer.ts';

/** One sequence of a context: it holds the prefix it last worked behind until it is given another. */
export interface Slot {
  readonly id: number;
  /** The key of the prefix in its cache; null while there is none. */
  readonly holds: string | null;
  /** Leaves exactly this prefix in the cache: kept, copied or computed, the bytes are the same. */
  prepare(prefix: Prefix): Promise<void>;
  perform(step: Step): Promise<StepResult>;
  /** Lets go of what the last steps left open. */
  settle(): Promise<void>;
}

export interface SlotOptions {
  readonly id: number;
  readonly sequence: LlamaContextSequence;
  readonly model: LlamaModel;
  /** null: there is no other slot to copy to. */
  readonly states: PrefixStates | null;
  /** Tokens that are never drawn. */
  readonly unwanted: TokenBias;
  grammar(text: string): LlamaGrammar;
}

export function openSlot({ id, sequence, model, states, unwanted, grammar }: SlotOptions): Slot {
  // `as`: typed 1 to 5 but passed through as it is, and the only field by which the batching strategy can tell slots apart.
  const evaluationPriority = id as EvaluationPriority;
  const vocabularySize = model.fileInfo.metadata.tokenizer.ggml.tokens.length;
  let holds: string | null = null;
  let draw: { readonly sampler: Sampler; readonly tokens: AsyncGenerator<number, void> } | null = null;

  async function prepare(prefix: Prefix): Promise<void> {
    if (holds === prefix.key) await sequence.adaptStateToTokens(asTokens(prefix.ids), false);
    // Recurrent models cannot be cut back to any place: then there is more or less in the cache, and it is filled anew.
    if (holds === prefix.key && sequence.nextTokenIndex === prefix.ids.length) return;
    holds = null;
    await sequence.clearHistory();
    if (prefix.ids.length > 0 && !(await states?.load(prefix.key, sequence))) {
      await sequence.evaluateWithoutGeneratingNewTokens(asTokens(prefix.ids), { evaluationPriority });
      await states?.save(prefix.key, sequence);
    }
    holds = prefix.key;
  }

  /** Evaluates tokens, with this asked behind those at the given places. Sampling options are left out: any of them changes the logits. */
  function evaluate(tokens: readonly number[], at: readonly number[], generateNext: GenerateNext) {
    const places = new Set(at);
    const input = asTokens(tokens).map(
      (token, index): ControlledEvaluateInputItem => (places.has(index) ? [token, { generateNext }] : token),
    );
    return sequence.controlledEvaluate(input, { evaluationPriority });
  }

  async function weigh(tokens: readonly number[], among: readonly number[]): Promise<StepResult> {
    const outputs = await evaluate(tokens, [tokens.length - 1], { logits: { filter: { tokens: asTokens(among) } } });
    const found = outputs.at(-1)?.next.logits;
    const logits = asTokens(among).map((token) => {
      const logit = found?.get(token);
      if (logit === undefined || Number.isNaN(logit))
        throw new Error(`The model gave ${logit} as the logit of ${token}`);
      return logit;
    });
    return { kind: 'weigh', logits };
  }

  async function measure(tokens: readonly number[], at: readonly number[]): Promise<StepResult> {
    const outputs = await evaluate(tokens, at, { logits: true });
    const distributions = at.map((index) => logDistribution(outputs[index]?.next.logits ?? new Map(), vocabularySize));
    return { kind: 'measure', distributions };
  }

  async function sample(tokens: readonly number[], sampler: Sampler): Promise<StepResult> {
    if (draw?.sampler !== sampler) {
      await settle();
      draw = { sampler, tokens: startDraw(tokens, sampler) };
    }
    // The second and later draws evaluate what the draw before gave, which is what `tokens` is then.
    const { done, value } = await draw.tokens.next();
    if (done) throw new Error('The model stopped without a token');
    return { kind: 'sample', token: value };
  }

  const startDraw = (tokens: readonly number[], sampler: Sampler) =>
    sequence.evaluate(asTokens(tokens), {
      temperature: sampler.temperature,
      topP: sampler.topP,
      seed: sampler.seed,
      topK: 0,
      minP: 0,
      tokenBias: unwanted,
      yieldEogToken: true,
      evaluationPriority,
      // A state is used up by one value.
      ...(sampler.grammar !== null && {
        grammarEvaluationState: new LlamaGrammarEvaluationState({ model, grammar: grammar(sampler.grammar) }),
      }),
    });

  async function settle(): Promise<void> {
    await draw?.tokens.return();
    draw = null;
  }

  function perform(step: Step): Promise<StepResult> {
    if (step.kind === 'weigh') return weigh(step.tokens, step.among);
    if (step.kind === 'measure') return measure(step.tokens, step.at);
    return sample(step.tokens, step.sampler);
  }

  return {
    id,
    get holds() {
      return holds;
    },
    prepare,
    perform,
    settle,
  };
}

type GenerateNext = NonNullable<Exclude<ControlledEvaluateInputItem, number>[1]['generateNext']>;
