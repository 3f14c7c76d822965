import { type CallKey, callKeys } from '../core/call-key.ts';
import { Interrupted, StepError } from '../core/errors.ts';
import type { AdapterFile, Engine, LanguageModel, LmRequest, LmResponse } from '../core/lm.ts';
import type { AnswerCall } from '../core/program.ts';
import type { Store } from '../core/store.ts';

/** requested = made + remembered + shared. */
export interface CallCounts {
  readonly requested: number;
  readonly made: number;
  readonly remembered: number;
  /** Asked while the same question was already under way. */
  readonly shared: number;
}

export interface Memory {
  readonly answer: AnswerCall;
  counts(): CallCounts;
  /** Requests left for the steps. */
  callsLeft(): number;
  /** Runs work whose requests count against the budget. */
  budgeted<T>(work: () => Promise<T>): Promise<T>;
}

interface MemoryOptions {
  readonly store: Store;
  readonly run: string;
  readonly start: number;
  readonly models: ReadonlyMap<string, LanguageModel>;
  engineOf(base: string): Promise<Engine>;
  adapterFile(sha256: string): AdapterFile;
  readonly maxCalls: number | null;
  readonly signal: AbortSignal;
  onCount(counts: CallCounts): void;
}

/**
 * The one place where a model is asked. An answer is durable before anyone sees it; equal questions in flight share one answer; the budget
 * counts requests, not calls, so that a resumed run takes the same branches.
 */
export function remembering(options: MemoryOptions): Memory {
  const { store, run, start, models, engineOf, adapterFile, maxCalls, signal, onCount } = options;
  const keyOf = callKeys();
  const inFlight = new Map<string, Promise<LmResponse>>();
  const kinds = { made: 0, remembered: 0, shared: 0 };
  let spent = 0;
  let counting = false;
  const counts = (): CallCounts => ({ requested: kinds.made + kinds.remembered + kinds.shared, ...kinds });
  const add = (kind: keyof typeof kinds) => {
    kinds[kind]++;
    onCount(counts());
  };

  const ask = async ({ key, shared }: CallKey, request: LmRequest): Promise<LmResponse> => {
    const model = models.get(request.model.base);
    if (!model) throw new TypeError(`No model ${request.model.base} was given to this run`);
    const adapter = request.model.adapter === null ? null : adapterFile(request.model.adapter);
    const response = await model.generate(request, { adapter });
    await store.rememberCall(key, { user: request.prompt.user, shared, response, run, start });
    return response;
  };

  const answer: AnswerCall = async (request) => {
    if (signal.aborted) throw new Interrupted();
    if (counting && maxCalls !== null && ++spent > maxCalls) throw budgetSpent(maxCalls);
    const callKey = keyOf(request, await engineOf(request.model.base));
    const { key } = callKey;
    const pending = inFlight.get(key);
    if (pending) {
      add('shared');
      return pending;
    }
    const known = store.recallCall(key);
    if (known) {
      add('remembered');
      return known;
    }
    if (signal.aborted) throw new Interrupted();
    add('made');
    const asked = ask(callKey, request);
    inFlight.set(key, asked);
    try {
      return await asked;
    } finally {
      inFlight.delete(key);
    }
  };

  return {
    answer,
    counts,
    callsLeft: () => (maxCalls === null ? Number.POSITIVE_INFINITY : Math.max(0, maxCalls - spent)),
    async budgeted(work) {
      counting = true;
      try {
        return await work();
      } finally {
        counting = false;
      }
    },
  };
}

const budgetSpent = (maxCalls: number): StepError =>
  new StepError(
    'budget-spent',
    `The budget of ${maxCalls} calls is spent.`,
    'Raise --max-calls: everything computed so far is remembered.',
  );
