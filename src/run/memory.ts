import { type CallKey, callKeys } from '../core/call-key.ts';
import { loadedAdapter } from '../core/candidate.ts';
import { Interrupted } from '../core/errors.ts';
import type { Engine, LanguageModel, LmRequest, LmResponse } from '../core/lm.ts';
import type { AnswerCall } from '../core/program.ts';
import type { Store } from '../core/store.ts';
import type { Budget } from './budget.ts';
import type { Hosts } from './hosts.ts';
import { tokenBounds } from './token-bound.ts';

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
}

interface MemoryOptions {
  readonly store: Store;
  readonly run: string;
  readonly start: number;
  readonly hosts: Pick<Hosts, 'hostOf' | 'engineOf' | 'adapterFile'>;
  readonly budget: Pick<Budget, 'request'>;
  readonly signal: AbortSignal;
  onCount(counts: CallCounts): void;
}

/**
 * The one place where a model is asked. An answer is durable before anyone sees it; equal questions in flight share one answer; the budget
 * counts requests and their tokens, remembered or made, so that a resumed run takes the same branches.
 */
export function remembering(options: MemoryOptions): Memory {
  const { store, run, start, hosts, budget, signal, onCount } = options;
  const keyOf = callKeys();
  const boundOf = tokenBounds();
  const inFlight = new Map<string, Promise<LmResponse>>();
  const kinds = { made: 0, remembered: 0, shared: 0 };
  const counts = (): CallCounts => ({ requested: kinds.made + kinds.remembered + kinds.shared, ...kinds });
  const add = (kind: keyof typeof kinds) => {
    kinds[kind]++;
    onCount(counts());
  };

  const ask = async ({ key, shared }: CallKey, request: LmRequest, host: LanguageModel): Promise<LmResponse> => {
    const adapter = loadedAdapter(request.model);
    const response = await host.generate(request, { adapter: adapter === null ? null : hosts.adapterFile(adapter) });
    await store.rememberCall(key, { user: request.prompt.user, shared, response, run, start });
    return response;
  };

  const recall = async (request: LmRequest, host: LanguageModel, engine: Engine): Promise<LmResponse> => {
    const callKey = keyOf(request, engine);
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
    const asked = ask(callKey, request, host);
    inFlight.set(key, asked);
    try {
      return await asked;
    } finally {
      inFlight.delete(key);
    }
  };

  const answer: AnswerCall = async (request) => {
    if (signal.aborted) throw new Interrupted();
    const host = await hosts.hostOf(request.model);
    const engineOfHost = () => hosts.engineOf(host.base.sha256);
    const counted = await budget.request(host.base.sha256, async () => boundOf(request, host, await engineOfHost()));
    const response = await recall(request, host, await engineOfHost());
    counted.settle(response.usage);
    return response;
  };

  return { answer, counts };
}
