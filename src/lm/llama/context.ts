import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type CustomBatchingPrioritizationStrategy,
  type EvaluationPriority,
  type LlamaContext,
  type LlamaContextSequence,
  type LlamaGrammar,
  LlamaGrammarEvaluationState,
  type LlamaModel,
  type TokenBias,
} from 'node-llama-cpp';
import type { AdapterFile } from '../../core/lm.ts';
import type { Sampler, Step, StepResult } from './answer.ts';
import { logDistribution } from './log-distribution.ts';
import type { Layout } from './protocol.ts';
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

/** The slots of one set of weights (the model, with or without an adapter). */
export interface WeightsContext {
  readonly slots: readonly Slot[];
  /** How many rows the next batch has; see `inSlotOrder`. */
  expect(rows: number): void;
  dispose(): Promise<void>;
}

export interface ContextOptions {
  readonly model: LlamaModel;
  readonly layout: Layout;
  readonly adapter: AdapterFile | null;
  /** A folder for copies of prefix states. */
  readonly scratch: string;
  /** Tokens that are never drawn. */
  readonly unwanted: TokenBias;
  grammar(text: string): LlamaGrammar;
  /** A batch goes out. */
  onProgress(): void;
}

export async function openContext(options: ContextOptions): Promise<WeightsContext> {
  const { model, layout, adapter } = options;
  const batch = { rows: 0 };
  const context = await model.createContext({
    sequences: layout.sequences,
    contextSize: layout.contextTokens,
    batchSize: layout.batchTokens,
    threads: layout.threads,
    // Answers would depend on batch company with it, on every type and backend measured.
    flashAttention: false,
    // Without it sliding-window models cannot be cut back to their prefix.
    swaFullCache: true,
    failedCreationRemedy: false,
    batching: { itemPrioritizationStrategy: inSlotOrder(batch, options.onProgress) },
    ...(adapter && { lora: adapter.path }),
  });
  const states = savedStates(join(options.scratch, adapter?.sha256 ?? 'base'), layout.sequences);
  const slots = Array.from({ length: layout.sequences }, (_, id) =>
    openSlot({ id, sequence: sequenceOf(context), states, options }),
  );
  return {
    slots,
    expect: (rows) => {
      batch.rows = rows;
    },
    dispose: () => context.dispose(),
  };
}

/** The default for a full context is to forget its oldest tokens, silently. */
const sequenceOf = (context: LlamaContext): LlamaContextSequence =>
  context.getSequence({
    contextShift: {
      strategy: () => {
        throw new Error('The context is full, though the answer was to stop before');
      },
    },
  });

/**
 * Rows in slot order, because llama.cpp splits a batch where sequence ids do not increase; and all of them at once: rows whose sampling
 * ended earlier queue earlier, and would go out in a batch of their own. An empty answer makes the library ask again within the same
 * turn of the event loop; patience only bounds what cannot happen.
 */
function inSlotOrder(
  batch: { readonly rows: number },
  onBatch: () => void,
  patience = 1000,
): CustomBatchingPrioritizationStrategy {
  let misses = 0;
  return ({ items, size }) => {
    if (items.length < batch.rows && misses++ < patience) return [];
    misses = 0;
    onBatch();
    const inOrder = [...items].sort((a, b) => a.evaluationPriority - b.evaluationPriority);
    return inOrder.map((item) => ({ item, processAmount: Math.min(item.tokens.length, size) }));
  };
}

/** Prefix states on disk, the way from one slot to the others: a save and a load take milliseconds where computing takes seconds. */
function savedStates(pathPrefix: string, sequences: number, limit = 8) {
  const paths = new Map<string, string>();
  let count = 0;
  return {
    path: (key: string) => paths.get(key),
    async save(key: string, sequence: LlamaContextSequence) {
      if (sequences === 1) return;
      const path = `${pathPrefix}-${count++}.state`;
      await sequence.saveStateToFile(path);
      paths.set(key, path);
      const [oldest] = paths;
      if (paths.size <= limit || !oldest) return;
      paths.delete(oldest[0]);
      await rm(oldest[1]);
    },
  };
}

interface SlotParts {
  readonly id: number;
  readonly sequence: LlamaContextSequence;
  readonly states: ReturnType<typeof savedStates>;
  readonly options: ContextOptions;
}

function openSlot({ id, sequence, states, options }: SlotParts): Slot {
  const { model, unwanted, grammar } = options;
  // `as`: typed 1 to 5 but passed through as it is, and the only field by which the batching strategy can tell slots apart.
  const evaluationPriority = id as EvaluationPriority;
  let holds: string | null = null;
  let draw: { readonly sampler: Sampler; readonly tokens: AsyncGenerator<number, void> } | null = null;

  async function prepare(prefix: Prefix): Promise<void> {
    if (holds === prefix.key) await sequence.adaptStateToTokens(asTokens(prefix.ids), false);
    if (holds === prefix.key && sequence.nextTokenIndex === prefix.ids.length) return;
    holds = null;
    await sequence.clearHistory();
    const saved = states.path(prefix.key);
    if (saved !== undefined) await sequence.loadStateFromFile(saved, { acceptRisk: true });
    else if (prefix.ids.length > 0) {
      await sequence.evaluateWithoutGeneratingNewTokens(asTokens(prefix.ids), { evaluationPriority });
      await states.save(prefix.key, sequence);
    }
    holds = prefix.key;
  }

  async function weigh(tokens: readonly number[], among: readonly number[]): Promise<StepResult> {
    const logits = { filter: { tokens: asTokens(among) } };
    const input = asTokens(tokens).map((token, index) =>
      index === tokens.length - 1 ? ([token, { generateNext: { logits } }] satisfies [unknown, unknown]) : token,
    );
    const found = (await sequence.controlledEvaluate(input, { evaluationPriority })).at(-1)?.next.logits;
    const values = asTokens(among).map((token) => found?.get(token));
    if (!values.every((value) => value !== undefined && !Number.isNaN(value)))
      throw new Error(
        `The model gave no logits for ${among.filter((_, index) => values[index] === undefined).join(', ')}`,
      );
    // `as`: just checked.
    return { kind: 'weigh', logits: values as number[] };
  }

  async function measure(tokens: readonly number[], at: readonly number[]): Promise<StepResult> {
    const wanted = new Set(at);
    const input = asTokens(tokens).map((token, index) =>
      wanted.has(index) ? ([token, { generateNext: { logits: true } }] satisfies [unknown, unknown]) : token,
    );
    const outputs = await sequence.controlledEvaluate(input, { evaluationPriority });
    const size = model.fileInfo.metadata.tokenizer.ggml.tokens.length;
    const distributions = at.map((index) => logDistribution(outputs[index]?.next.logits ?? new Map(), size));
    return { kind: 'measure', distributions };
  }

  async function sample(tokens: readonly number[], sampler: Sampler): Promise<StepResult> {
    if (draw?.sampler !== sampler) {
      await settle();
      draw = { sampler, tokens: startDraw(tokens, sampler) };
    }
    const { done, value } = await draw.tokens.next();
    if (done) throw new Error('The model stopped without a token');
    return { kind: 'sample', token: value };
  }

  const startDraw = (tokens: readonly number[], { temperature, topP, seed, ...sampler }: Sampler) =>
    sequence.evaluate(asTokens(tokens), {
      temperature,
      topP,
      seed,
      topK: 0,
      minP: 0,
      tokenBias: unwanted,
      yieldEogToken: true,
      evaluationPriority,
      // A grammar's state is used up by one value.
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
