import { callKeys } from '../core/call-key.ts';
import { loadedAdapter, type ModelRef, servedFile } from '../core/candidate.ts';
import { InputError, Interrupted } from '../core/errors.ts';
import { shortId } from '../core/json.ts';
import type { AdapterFile, Engine, LanguageModel, LmResponse } from '../core/lm.ts';
import { seededRng } from '../core/rng.ts';
import type { Store, StoredCall, StoredRun } from '../core/store.ts';
import type { Agreement, CallDifference, EngineCheck, Verification } from '../core/verification.ts';
import { mapInOrder } from '../evaluate/in-order.ts';
import { alteredContent } from './altered-content.ts';
import { callOrigin } from './call-origin.ts';
import { isSameAnswer, responseDifference } from './response-difference.ts';

type StoredCalls = Pick<Store, 'name' | 'callKeys' | 'call' | 'layout' | 'events' | 'splits' | 'example' | 'dataSet'>;

/** The calls that will be asked again, and what is needed for it. */
export interface VerificationPlan {
  readonly run: StoredRun;
  readonly stored: number;
  readonly sampled: number;
  readonly skipped: { readonly crash: number; readonly timeout: number };
  readonly calls: readonly PlannedCall[];
  /** sha256 of the base models, and of the adapters and merged models that answered. */
  readonly bases: readonly string[];
  readonly adapters: readonly string[];
}

interface PlannedCall extends ModelRef {
  readonly key: string;
  readonly position: number;
}

/** Chooses calls of a run by a seed; `sample: null` takes them all. Throws an InputError where there is nothing to ask again. */
export function planVerification(
  store: StoredCalls,
  run: StoredRun,
  { sample, seed }: { readonly sample: number | null; readonly seed: number },
): VerificationPlan {
  const keys = store.callKeys(run.id);
  const positions = [...keys.keys()];
  const chosen =
    sample === null
      ? positions
      : seededRng(seed)
          .fork('verify')
          .sample(positions, sample)
          .sort((a, b) => a - b);
  const skipped = { crash: 0, timeout: 0 };
  const calls = chosen.flatMap((index): PlannedCall[] => {
    const key = keys[index]!;
    const { request, response } = callOf(store, key);
    const kind = response.failure?.kind;
    if (kind === 'crash' || kind === 'timeout') {
      skipped[kind]++;
      return [];
    }
    return [{ key, position: index + 1, ...request.model }];
  });
  if (calls.length === 0) throw nothingToVerify(run, keys.length, chosen.length);
  return {
    run,
    stored: keys.length,
    sampled: chosen.length,
    skipped,
    calls,
    bases: [...new Set(calls.map(({ base }) => base))],
    adapters: [...new Set(calls.flatMap(({ merged, adapter }) => merged ?? adapter ?? []))],
  };
}

function nothingToVerify({ id }: StoredRun, stored: number, sampled: number): InputError {
  const fact =
    stored === 0
      ? `Run ${shortId(id)} has made no call itself: it has not begun, or earlier runs of this store had asked everything.`
      : `All ${sampled} sampled calls of run ${shortId(id)} had brought the model host down, and are not asked again.`;
  const hint = stored === 0 ? 'Verify the run that made the calls.' : 'Take a larger sample, or all calls.';
  return new InputError('nothing-to-verify', [fact], hint);
}

function callOf(store: StoredCalls, key: string): StoredCall {
  const call = store.call(key);
  if (!call) throw new TypeError(`Call ${key} is not in ${store.name} any more`);
  return call;
}

export interface VerificationPorts {
  readonly store: StoredCalls;
  /** By sha256: every base of the plan, and every adapter or merged model. */
  readonly models: ReadonlyMap<string, LanguageModel>;
  readonly adapters: ReadonlyMap<string, AdapterFile>;
  readonly concurrency: number;
  readonly signal: AbortSignal;
  onCall?(done: number, total: number): void;
}

/** One call that was asked again. */
interface Repetition {
  readonly planned: PlannedCall;
  readonly isOfThisEngine: boolean;
  /** Whether what is stored is still what the call's key was made of. */
  readonly isIntact: boolean;
  /** Whether equal requests have to give equal bytes here. */
  readonly isByBytes: boolean;
  readonly isEqual: boolean;
  /** Of a hundred thousand only those are kept that may have to be shown. */
  readonly now: LmResponse | null;
}

/**
 * Asks the planned calls again, one model after the other, in the layout of the run's first start. Answers are compared byte for byte where
 * this very engine made them; else only their texts are. A call that is not what its key was made of differs. Nothing is written.
 */
export async function verify(plan: VerificationPlan, ports: VerificationPorts): Promise<Verification> {
  const engines: EngineCheck[] = [];
  const repetitions: Repetition[] = [];
  for (const file of new Set(plan.calls.map(servedFile))) {
    const calls = plan.calls.filter((call) => servedFile(call) === file);
    const model = await hostOf(ports, calls[0]!);
    const check = await openAsThen(model, storedEngine(ports.store, plan.run.id, file));
    engines.push(check);
    const done = repetitions.length;
    let asked = 0;
    const repeated = await mapInOrder(calls, ports.concurrency, async (planned) => {
      const repetition = await repeat(planned, model, check, ports);
      ports.onCall?.(done + ++asked, plan.calls.length);
      return repetition;
    });
    repetitions.push(...repeated);
    await model.release();
  }
  return conclude(plan, engines, repetitions, ports.store);
}

async function hostOf({ models, adapters }: VerificationPorts, { base, merged }: ModelRef): Promise<LanguageModel> {
  const model = models.get(base);
  if (!model) throw new TypeError(`No model ${base} was given to this verification`);
  if (merged === undefined) return model;
  const file = adapters.get(merged);
  if (!file || !model.weights) throw new TypeError(`No merged model ${merged} was given to this verification`);
  return model.weights.openMerged(file);
}

const storedEngine = (store: StoredCalls, run: string, file: string): Engine | null =>
  // `as`: a run stores engines there; see openEngine in hosts.ts.
  (store.layout(run, file) as unknown as Engine | undefined) ?? null;

async function openAsThen(model: LanguageModel, stored: Engine | null): Promise<EngineCheck> {
  const now = await openAs(model, stored);
  return { base: model.base.sha256, stored, now, differences: stored ? engineDifferences(stored, now) : [] };
}

/** Where the run's device is missing the CPU is there: another engine, whose answers can still be looked at. */
async function openAs(model: LanguageModel, stored: Engine | null): Promise<Engine> {
  if (!stored) return model.engine();
  try {
    return await model.engine(stored);
  } catch (error) {
    if (!(error instanceof InputError && error.code === 'device-missing')) throw error;
    return model.engine({ ...stored, device: 'cpu' });
  }
}

const engineDifferences = (stored: Engine, now: Engine): string[] =>
  Object.entries(stored).flatMap(([name, value]) => {
    // `as`: the names of one engine are those of the other.
    const current = now[name as keyof Engine];
    return current === value ? [] : [`${name}: ${JSON.stringify(value)} then, ${JSON.stringify(current)} now`];
  });

async function repeat(
  planned: PlannedCall,
  model: LanguageModel,
  { stored: then, now: engine }: EngineCheck,
  { store, adapters, signal }: VerificationPorts,
): Promise<Repetition> {
  if (signal.aborted) throw new Interrupted();
  const { request, engine: maker, response } = callOf(store, planned.key);
  const wanted = loadedAdapter(planned);
  const adapter = wanted === null ? null : adapters.get(wanted);
  if (adapter === undefined) throw new TypeError(`No adapter ${wanted} was given to this verification`);
  const isIntact = callKeys()(request, { ...maker, reproducible: engine.reproducible }).key === planned.key;
  const isOfThisEngine = engineDifferences({ ...maker, reproducible: engine.reproducible }, engine).length === 0;
  const repeatsBytes = isOfThisEngine && [engine, then].every((one) => one?.reproducible !== 'replay');
  const isByBytes = !isIntact || repeatsBytes;
  const now = await model.generate(request, { adapter });
  const isEqual = isIntact && (isByBytes ? responseDifference(response, now) === null : isSameAnswer(response, now));
  return { planned, isOfThisEngine, isIntact, isByBytes, isEqual, now: isByBytes && !isEqual ? now : null };
}

function conclude(
  plan: VerificationPlan,
  engines: readonly EngineCheck[],
  repetitions: readonly Repetition[],
  store: StoredCalls,
): Verification {
  const { run, stored, sampled, skipped } = plan;
  const byBytes = repetitions.filter(({ isByBytes }) => isByBytes);
  const byAnswer = repetitions.filter(({ isByBytes }) => !isByBytes);
  const [first] = byBytes.filter(({ isEqual }) => !isEqual).sort((a, b) => a.planned.position - b.planned.position);
  const altered = alteredContent(store, run);
  return {
    run: run.id,
    status: first || altered.length > 0 ? 'differs' : byBytes.length > 0 ? 'agrees' : 'not-comparable',
    calls: { stored, sampled, skipped },
    bytes: agreement(byBytes),
    answers: agreement(byAnswer),
    ofOtherEngines: byAnswer.filter(({ isOfThisEngine }) => !isOfThisEngine).length,
    engines,
    altered,
    first: first?.now ? named(first, first.now, run, store) : null,
  };
}

const agreement = (compared: readonly Repetition[]): Agreement => ({
  compared: compared.length,
  equal: compared.filter(({ isEqual }) => isEqual).length,
});

const promptShown = 200;

function named({ planned, isIntact }: Repetition, now: LmResponse, run: StoredRun, store: StoredCalls): CallDifference {
  const { request, response } = callOf(store, planned.key);
  const nowhere = { token: null, piece: null };
  const difference = isIntact ? responseDifference(response, now) : { field: 'request', ...nowhere };
  if (!difference) throw new TypeError(`Call ${planned.key} was found to differ, and does not`);
  return {
    call: planned.key,
    position: planned.position,
    ...callOrigin(request, run, store.events(run.id)),
    prompt: request.prompt.user.slice(0, promptShown),
    difference,
    stored: response,
    now,
  };
}
