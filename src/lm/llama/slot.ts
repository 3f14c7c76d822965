import {
  type ControlledEvaluateInputItem,
  type EvaluationPriority,
  type LlamaContextSequence,
  type LlamaGrammar,
  LlamaGrammarEvaluationState,
  type LlamaModel,
  type Token,
  type TokenBias,
} from 'node-llama-cpp';
import { firstChoices } from './first-choices.ts';
import { logDistribution } from './log-distribution.ts';
import type { NativeGarbage } from './native-garbage.ts';
import { commonPiece, type Prefix, pieces } from './prefix.ts';
import type { PrefixStates } from './prefix-states.ts';
import { asTokens } from './renderer.ts';
import type { Sampler, Step, StepResult } from './steps.ts';

/** One sequence of a context: it holds the prefix it last worked behind until it is given another. */
export interface Slot {
  readonly id: number;
  /** The prefix in its cache; null while there is none. */
  readonly holds: Prefix | null;
  /** Leaves exactly this prefix in the cache: kept, copied or computed, the bytes are the same. `others`: more slots will want it. */
  prepare(prefix: Prefix, others: boolean): Promise<void>;
  /** Takes back what the cache has beyond the tokens that the step keeps. Nothing may run meanwhile. */
  rewind(step: Step): Promise<void>;
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
  readonly garbage: NativeGarbage;
}

export function openSlot({ id, sequence, model, states, unwanted, grammar, garbage }: SlotOptions): Slot {
  // `as`: typed 1 to 5 but passed through as it is, and the only field by which the batching strategy can tell slots apart.
  const evaluationPriority = id as EvaluationPriority;
  const vocabularySize = model.fileInfo.metadata.tokenizer.ggml.tokens.length;
  const choices = firstChoices({ sequence, model, garbage });
  let holds: Prefix | null = null;
  let draw: Draw | null = null;

  async function prepare(prefix: Prefix, others: boolean): Promise<void> {
    const kept = await keepPiece(holds && commonPiece(prefix, holds), prefix);
    holds = null;
    for (const piece of pieces(prefix).slice(kept)) {
      const own = piece.ids.slice(piece.parent?.ids.length ?? 0);
      await sequence.evaluateWithoutGeneratingNewTokens(asTokens(own), { evaluationPriority });
      if (others || piece !== prefix) await states?.save(piece.key, sequence);
    }
    holds = prefix;
  }

  /** Leaves the longest piece of a prefix that need not be computed in the cache, and tells how many of its pieces that makes. */
  async function keepPiece(common: Prefix | null, prefix: Prefix): Promise<number> {
    const all = pieces(prefix);
    const isKept = common !== null && (await cutBack(common.ids.length));
    const kept = isKept ? all.findIndex(({ key }) => key === common.key) + 1 : 0;
    const saved = all.findLastIndex(({ key }) => states?.has(key));
    if (saved + 1 > kept) {
      await sequence.clearHistory();
      await states!.load(all[saved]!.key, sequence);
      return saved + 1;
    }
    if (kept === 0) await sequence.clearHistory();
    return kept;
  }

  /** Recurrent models cannot be cut back to any place: then there is more or less in the cache, and it has to be filled anew. */
  async function cutBack(length: number): Promise<boolean> {
    if (sequence.nextTokenIndex > length)
      await sequence.eraseContextTokenRanges([{ start: length, end: sequence.nextTokenIndex }]);
    return sequence.nextTokenIndex === length;
  }

  async function rewind(step: Step): Promise<void> {
    const { keep } = step;
    const isGoingOn = step.kind === 'sample' && draw?.sampler === step.sampler;
    if (isGoingOn || sequence.nextTokenIndex === keep) return;
    if (!(await cutBack(keep)))
      throw new Error(`A cache of ${sequence.nextTokenIndex} tokens could not be cut back to ${keep}`);
  }

  /** Evaluates tokens, with this asked behind those at the given places. Sampling options are left out: any of them changes the logits. */
  function evaluate(tokens: readonly number[], at: readonly number[], generateNext: GenerateNext) {
    garbage.addSampler();
    const places = new Set(at);
    const input = asTokens(tokens).map(
      (token, index): ControlledEvaluateInputItem => (places.has(index) ? [token, { generateNext }] : token),
    );
    return sequence.controlledEvaluate(input, { evaluationPriority });
  }

  async function weigh(tokens: readonly number[], among: readonly number[]): Promise<StepResult> {
    // The token that would be taken comes along for nothing; `includeTop` would sort the whole vocabulary, and `includeMax` gives nothing.
    const filter = { tokens: asTokens(among), includeSelected: true };
    const generateNext = { token: true, logits: { filter }, totalLogitWeight: true };
    const outputs = await evaluate(tokens, [tokens.length - 1], generateNext);
    const { token: top, logits: found, totalLogitWeight } = outputs.at(-1)?.next ?? {};
    const logitOf = (token: Token | null | undefined): number => {
      const logit = token === null || token === undefined ? undefined : found?.get(token);
      if (logit === undefined || Number.isNaN(logit))
        throw new Error(`The model gave ${logit} as the logit of ${token}`);
      return logit;
    };
    const logWeight = logitOf(top) + Math.log(totalLogitWeight ?? Number.NaN);
    // `!`: its logit was just found.
    return { kind: 'weigh', logits: asTokens(among).map(logitOf), top: top!, logWeight };
  }

  async function measure(tokens: readonly number[], at: readonly number[]): Promise<StepResult> {
    const outputs = await evaluate(tokens, at, { logits: true });
    const distributions = at.map((index) => logDistribution(outputs[index]?.next.logits ?? new Map(), vocabularySize));
    return { kind: 'measure', distributions };
  }

  async function sample(tokens: readonly number[], sampler: Sampler): Promise<StepResult> {
    if (draw?.sampler !== sampler) {
      await settle();
      garbage.addSampler();
      draw = startDraw(tokens, sampler);
    }
    // The second and later draws evaluate what the draw before gave, which is what `tokens` is then.
    const { grammarState, tokens: drawn } = draw;
    const { result, isOverruled } = await choices.during(grammarState, () => drawn.next());
    if (result.done) throw new Error('The model stopped without a token');
    return { kind: 'sample', token: result.value, isOverruled };
  }

  function startDraw(tokens: readonly number[], sampler: Sampler): Draw {
    // A state is used up by one value.
    const grammarState =
      sampler.grammar === null ? null : new LlamaGrammarEvaluationState({ model, grammar: grammar(sampler.grammar) });
    const drawn = sequence.evaluate(asTokens(tokens), {
      temperature: sampler.temperature,
      topK: sampler.topK,
      topP: sampler.topP,
      minP: sampler.minP,
      seed: sampler.seed,
      ...(sampler.repetitionPenalty !== 1 && { repeatPenalty: repetition(sampler) }),
      tokenBias: unwanted,
      yieldEogToken: true,
      evaluationPriority,
      ...(grammarState && { grammarEvaluationState: grammarState }),
    });
    return { sampler, grammarState, tokens: drawn };
  }

  async function settle(): Promise<void> {
    await draw?.tokens.return();
    draw = null;
  }

  function perform(step: Step): Promise<StepResult> {
    if (step.kind === 'weigh') return weigh(step.tokens, step.among);
    if (step.kind === 'measure') return measure(step.tokens, step.at);
    return sample(step.tokens, step.sampler);
  }

  const repetition = ({ repetitionPenalty }: Sampler) => ({
    penalty: repetitionPenalty,
    lastTokens: repetitionWindow,
    punishTokens: () => sequence.contextTokens.slice(-repetitionWindow),
  });

  return {
    id,
    get holds() {
      return holds;
    },
    prepare,
    rewind,
    perform,
    settle,
  };
}

/** The tokens of one value, drawn one by one. */
interface Draw {
  readonly sampler: Sampler;
  readonly grammarState: LlamaGrammarEvaluationState | null;
  readonly tokens: AsyncGenerator<number, void>;
}

// As llama.cpp's own default.
const repetitionWindow = 64;

type GenerateNext = NonNullable<Exclude<ControlledEvaluateInputItem, number>[1]['generateNext']>;
