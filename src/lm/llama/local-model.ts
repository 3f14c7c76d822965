import { loadedAdapter, servedFile } from '../../core/candidate.ts';
import { InputError, WorldError } from '../../core/errors.ts';
import type { AdapterFile, BaseModel, Engine, LanguageModel, LmRequest, LmResponse, Weights } from '../../core/lm.ts';
import type { Notice } from '../../core/notice.ts';
import { cores, idleCores } from '../../system/hardware.ts';
import { requireAdapter } from './adapter-file.ts';
import { readModelFile } from './base-model.ts';
import { HostKiller } from './call-book.ts';
import { fileDigest } from './file-digest.ts';
import { mergedModels } from './merged-models.ts';
import { adapterOf, type DeviceChoice, type LayoutWishes, type WorkResult } from './protocol.ts';
import { type Supervisor, supervise } from './supervisor.ts';

export interface LocalModelOptions {
  /** Path of a GGUF file with a chat template. */
  readonly gguf: string;
  /** `auto` (default): a GPU when there is one and it works, else the CPU. A device that is named is used or refused, never replaced. */
  readonly device?: DeviceChoice;
  /** Default: the cores that are idle now; one more costs a factor, not a share, since llama.cpp's threads spin at barriers. */
  readonly threads?: number;
  /** How many answers are computed at once. Default: 8 on a CPU, what fits on a GPU. */
  readonly sequences?: number;
  /** Tokens of a prompt evaluated in one pass. Default: 512. */
  readonly batchTokens?: number;
  /** Tokens of prompt and answer together. Default: 2048, or what a run's longest call needs, at most 8192 and what the model was trained on. */
  readonly contextTokens?: number;
}

/** A model file on this machine, run by llama.cpp in a process of its own. */
export type LocalModel = LanguageModel & Weights & { readonly weights: Weights } & AsyncDisposable;

/**
 * Checks a GGUF file and gives the model in it. Throws an InputError for a file that cannot be a model. Native code is loaded at the
 * first use, in a child process that is opened again by the next use after `release()` or its death.
 */
export const localModel = (options: LocalModelOptions): Promise<LocalModel> =>
  localModelWith(options, { entry: childEntry, patienceMs: 120_000, openingPatienceMs: 120_000 });

const childEntry = new URL(import.meta.url.endsWith('.ts') ? './child.ts' : './child.js', import.meta.url);

/** What tests replace: the program that is started as the host, and how long it may be silent, at work and at its opening. */
export interface HostSettings {
  readonly entry: URL;
  readonly patienceMs: number;
  readonly openingPatienceMs: number;
}

export async function localModelWith(options: LocalModelOptions, settings: HostSettings): Promise<LocalModel> {
  const { gguf, device = 'auto', threads = await idleCores(), ...sizes } = options;
  const wishes = { ...sizes, threads };
  const { base, hasChatTemplate } = await readModelFile(gguf);
  if (!hasChatTemplate) throw withoutTemplate(base);
  requireSizes(wishes, base);
  const host = supervise({
    ...settings,
    order: { gguf: base.path, device, wishes },
    beforeOpening: () => requireSameModel(base),
    beforeWork: (work) => requireUsable(adapterOf(work), base),
  });
  const merged = mergedModels((path) =>
    localModelWith({ ...options, ...sizesOf(host.known()?.engine), gguf: path }, settings),
  );
  const weights: Weights = {
    async encode(rows) {
      const result = await host.do({ kind: 'encode', rows }).catch(rethrown);
      if (result.kind !== 'encode') throw unexpected(result);
      return [...result.rows];
    },
    async tokenTexts(rows) {
      const result = await host.do({ kind: 'token-texts', rows }).catch(rethrown);
      if (result.kind !== 'token-texts') throw unexpected(result);
      return result.texts.map((texts) => [...texts]);
    },
    async logProbabilities(probes, adapter) {
      const result = await host.do({ kind: 'log-probabilities', probes, adapter }).catch(rethrown);
      if (result.kind !== 'log-probabilities') throw unexpected(result);
      return [...result.distributions];
    },
    async embed(texts) {
      const result = await host.do({ kind: 'embed', texts }).catch(rethrown);
      if (result.kind !== 'embed') throw unexpected(result);
      return [...result.vectors];
    },
    openMerged: merged.open,
  };
  // Both at once: a call that is made from now on waits for the end of this.
  const release = async () => {
    await Promise.all([host.release(), merged.release()]);
  };
  return {
    base,
    get notices() {
      const known = host.known();
      return known ? [...known.notices, ...threadNotices(known.engine)] : [];
    },
    engine: host.engine,
    async generate(request, { adapter, signal }) {
      requireNamedWeights(request, base, adapter);
      return generate(host, request, adapter, signal);
    },
    ...weights,
    weights,
    release,
    [Symbol.asyncDispose]: release,
  };
}

/** What a merged model takes over, so that it gets the same contexts and is compared fairly. */
const sizesOf = (engine: Engine | undefined): Partial<LayoutWishes> =>
  engine
    ? {
        threads: Math.min(engine.threads, cores()),
        sequences: engine.sequences,
        batchTokens: engine.batchTokens,
        contextTokens: engine.contextTokens,
      }
    : {};

async function generate(
  host: Supervisor,
  request: LmRequest,
  adapter: AdapterFile | null,
  signal?: AbortSignal,
): Promise<LmResponse> {
  try {
    const result = await host.do({ kind: 'generate', request, adapter }, signal);
    if (result.kind !== 'generate') throw unexpected(result);
    return result.response;
  } catch (error) {
    if (!(error instanceof HostKiller)) throw error;
    const { kind, message } = error.death;
    return {
      failure: {
        kind,
        message: `This request brought the model host down twice, the second time alone. ${message}`,
      },
      usage: { prompt: 0, cachedPrompt: 0, completion: 0 },
    };
  }
}

/** Only an answer can fail as one example; encoding and measuring that bring the host down are a broken world. */
function rethrown(error: unknown): never {
  if (!(error instanceof HostKiller)) throw error;
  throw new WorldError(
    'host-died',
    `The model host died twice over the same work. ${error.message}`,
    'Check memory and the model file, then run again.',
  );
}

const unexpected = (result: WorkResult): TypeError => new TypeError(`The host answered other work: ${result.kind}`);

function requireSizes(wishes: LayoutWishes, { trainedContextTokens }: BaseModel): void {
  const most = { threads: cores(), sequences: 256, batchTokens: 65_536, contextTokens: trainedContextTokens };
  const names = ['threads', 'sequences', 'batchTokens', 'contextTokens'] as const;
  const mistakes = names.flatMap((name) => {
    const value = wishes[name] ?? 1;
    const isValid = Number.isInteger(value) && value >= 1 && value <= most[name];
    return isValid ? [] : [`"${name}" is ${value}; here it must be a whole number from 1 to ${most[name]}.`];
  });
  if (mistakes.length === 0) return;
  throw new InputError('layout-invalid', mistakes, 'Leave an option out to have it chosen for model and machine.');
}

const withoutTemplate = ({ path }: BaseModel): InputError =>
  new InputError(
    'no-chat-template',
    [`The model file "${path}" has no chat template, so there is no telling how to talk to it.`],
    'Take the instruction-tuned ("Instruct", "it", "Chat") file of this model: base models have no template.',
  );

/** A layout that was chosen on another machine is used nevertheless. */
function threadNotices({ threads }: Engine): Notice[] {
  if (threads <= cores()) return [];
  const message = `The run was started with ${threads} threads and this machine has ${cores()} cores: the same answers come, but very slowly.`;
  return [{ code: 'more-threads-than-cores', message }];
}

/** An id in a request must be the weights that answer it: a mistake here would be remembered under the wrong name. */
function requireNamedWeights({ model }: LmRequest, base: BaseModel, adapter: AdapterFile | null): void {
  const [file, loaded] = [servedFile(model), loadedAdapter(model)];
  if (file !== base.sha256) throw new TypeError(`The request is for model ${file}, this is ${base.sha256}`);
  if (loaded !== (adapter?.sha256 ?? null))
    throw new TypeError(`The request is for adapter ${loaded}, the file given is ${adapter?.sha256 ?? 'none'}`);
}

async function requireSameModel({ path, sha256 }: BaseModel): Promise<void> {
  if ((await fileDigest(path)) === sha256) return;
  throw new WorldError(
    'model-changed',
    `The model file "${path}" is not the one that was checked (sha256 ${sha256}).`,
    'Put the file back, or start again with the new one.',
  );
}

const requireUsable = async (adapter: AdapterFile | null, base: BaseModel): Promise<void> => {
  if (adapter) await requireAdapter(adapter, base);
};
