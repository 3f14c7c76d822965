import { join } from 'node:path';
import type {
  CustomBatchingPrioritizationStrategy,
  LlamaContext,
  LlamaContextSequence,
  LlamaGrammar,
  LlamaModel,
  TokenBias,
} from 'node-llama-cpp';
import type { AdapterFile } from '../../core/lm.ts';
import type { NativeGarbage } from './native-garbage.ts';
import type { Pace } from './pace.ts';
import { createPrefixStates } from './prefix-states.ts';
import type { Layout } from './protocol.ts';
import { openSlot, type Slot } from './slot.ts';

/** The slots of one set of weights: the model, with or without an adapter. */
export interface WeightsContext {
  readonly slots: readonly Slot[];
  /** Does the forward passes of some work, in whose batches so many rows go forward; see `inSlotOrder`. */
  pass<Result>(rows: number, work: () => Promise<Result>): Promise<Result>;
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
  readonly garbage: NativeGarbage;
  readonly pace: Pace;
}

export async function openContext(options: ContextOptions): Promise<WeightsContext> {
  const { model, layout, adapter, scratch, unwanted, grammar, garbage, pace } = options;
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
    batching: { itemPrioritizationStrategy: inSlotOrder(batch, pace) },
    ...(adapter && { lora: adapter.path }),
  });
  const states = layout.sequences > 1 ? createPrefixStates(join(scratch, adapter?.sha256 ?? 'base')) : null;
  const slots = Array.from({ length: layout.sequences }, (_, id) =>
    openSlot({ id, sequence: sequenceOf(context), model, states, unwanted, grammar, garbage }),
  );
  return {
    slots,
    async pass(rows, work) {
      batch.rows = rows;
      try {
        return await work();
      } finally {
        pace.end();
      }
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

// More than the turns of promises that any row needs to queue; only bounds what cannot happen.
const patience = 1000;

/**
 * Rows in slot order, because llama.cpp splits a batch where sequence ids do not increase; and all of them at once: rows whose sampling
 * ended earlier queue earlier, and would go out in a batch of their own. After an empty answer the library asks again within the same
 * turn of the event loop.
 */
function inSlotOrder(batch: { readonly rows: number }, pace: Pace): CustomBatchingPrioritizationStrategy {
  let misses = 0;
  return ({ items, size }) => {
    if (items.length < batch.rows && misses++ < patience) return [];
    misses = 0;
    pace.begin(
      Math.min(
        size,
        items.reduce((sum, { tokens }) => sum + tokens.length, 0),
      ),
    );
    const inOrder = [...items].sort((a, b) => a.evaluationPriority - b.evaluationPriority);
    return inOrder.map((item) => ({ item, processAmount: Math.min(item.tokens.length, size) }));
  };
}
