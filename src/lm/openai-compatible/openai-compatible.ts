import { BetterTogetherError, InputError } from '../../core/errors.ts';
import { contentId, type Json } from '../../core/json.ts';
import type { AnswerPlan, BaseModel, Engine, LanguageModel, LmRequest } from '../../core/lm.ts';
import { environmentVariable } from '../../system/environment.ts';
import { allowEndpoint } from '../../system/network.ts';
import { chatRequest } from './chat-request.ts';
import { failureIn, readCompletion, responseOf } from './chat-response.ts';
import { type Client, type ClientSettings, createClient, unreadable } from './client.ts';
import { type Constraint, constraints } from './constraint.ts';
import { checkedUrl, socketOf } from './endpoint.ts';
import { findConstraint } from './find-constraint.ts';
import { endpointNotices } from './notices.ts';
import { askServer, type ServerReport } from './server-report.ts';

export interface OpenaiCompatibleOptions {
  /** Where chat completions are asked for, without `/chat/completions`: `http://127.0.0.1:8080/v1`. Nothing else is ever asked. */
  readonly url: string;
  /** Default: the server's only model. */
  readonly model?: string;
  /** The environment variable that holds the key. Default: BETTER_TOGETHER_API_KEY, and no key where that is not set. */
  readonly apiKeyVariable?: string;
  /** How the server is told what an answer looks like. Default: found out with one short request. */
  readonly constraint?: Constraint;
  /** Tokens of prompt and answer together. Default: what the server says, else 4096. */
  readonly contextTokens?: number;
  /** Requests under way at once; default 16. */
  readonly maxInFlight?: number;
  /** For one request, 300,000 at most; default 120,000. */
  readonly timeoutMs?: number;
  /** Further tries of what may pass (busy, restarting, lost connection), with growing waits; default 5. */
  readonly retries?: number;
  /** Further fields of every request, such as `{ chat_template_kwargs: { enable_thinking: false } }`. Part of the model's id. */
  readonly body?: { readonly [field: string]: Json };
}

/** A model behind an endpoint: it answers, as student, teacher or prompt model, and cannot be trained. */
export type OpenaiCompatible = LanguageModel & { readonly weights: null } & AsyncDisposable;

/**
 * Asks an endpoint what it runs and gives that model. Its id is the sha256 of the endpoint's address, the model's name, what the server says
 * of the model, and `body`. Throws an InputError for an address, a key or a name that is wrong, a WorldError for a server that is down.
 */
export const openaiCompatible = (options: OpenaiCompatibleOptions): Promise<OpenaiCompatible> =>
  openaiCompatibleWith(options, { backoffMs: 500 });

/** What tests replace: the first wait between two tries. */
export async function openaiCompatibleWith(
  options: OpenaiCompatibleOptions,
  patience: Pick<ClientSettings, 'backoffMs'>,
): Promise<OpenaiCompatible> {
  const settings = { ...readSettings(options), ...patience };
  const { url } = settings;
  const { host, port } = socketOf(url);
  allowEndpoint(host, port);
  const { report, own } = await asInputError(() => open(options, settings));
  const client = createClient(settings);
  const base = baseModel(url, report, options.body ?? {});
  let engine = own;
  return {
    base,
    notices: endpointNotices(url, own),
    weights: null,
    async engine(wanted) {
      engine = wanted ?? engine;
      return engine;
    },
    async generate(request, { adapter, signal = new AbortController().signal }) {
      requireOwnRequest(request, base, adapter);
      // `as`: our engines have the constraint as their backend.
      const constraint = engine.backend as Constraint;
      const body = chatRequest(request, { model: report.model, constraint, body: options.body ?? {} });
      return complete(client, url, body, request.answer, signal);
    },
    release: async () => {},
    [Symbol.asyncDispose]: async () => {},
  };
}

async function complete(client: Client, url: string, body: Json, plan: AnswerPlan, signal: AbortSignal) {
  try {
    const reply = await client.post('/chat/completions', body, signal);
    const completion = readCompletion(reply);
    if (!completion) throw unreadable(url, 200, JSON.stringify(JSON.stringify(reply).slice(0, 300)));
    return responseOf(completion, plan);
  } catch (error) {
    const failure = failureIn(error);
    if (failure) return failure;
    throw error;
  }
}

function readSettings(options: OpenaiCompatibleOptions): Omit<ClientSettings, 'backoffMs'> {
  const { apiKeyVariable = 'BETTER_TOGETHER_API_KEY', maxInFlight = 16, timeoutMs = 120_000, retries = 5 } = options;
  const key = environmentVariable(apiKeyVariable);
  const isWhole = (value: number, least: number, most: number) =>
    Number.isInteger(value) && value >= least && value <= most;
  const mistakes = [
    ...(options.apiKeyVariable !== undefined && key === undefined
      ? [`The environment variable ${apiKeyVariable} is not set (apiKeyVariable).`]
      : []),
    ...(isWhole(maxInFlight, 1, 1024) ? [] : [`"maxInFlight" is ${maxInFlight}; it must be 1 to 1024.`]),
    // Node's fetch gives up by itself after 300 seconds without a byte.
    ...(isWhole(timeoutMs, 1, 300_000) ? [] : [`"timeoutMs" is ${timeoutMs}; it must be 1 to 300000.`]),
    ...(isWhole(retries, 0, 100) ? [] : [`"retries" is ${retries}; it must be 0 to 100.`]),
    ...(isWhole(options.contextTokens ?? 1, 1, 2 ** 31) ? [] : [`"contextTokens" is ${options.contextTokens}.`]),
    ...(constraints.includes(options.constraint ?? 'none')
      ? []
      : [`"constraint" is "${options.constraint}"; it must be one of ${constraints.join(', ')}.`]),
  ];
  if (mistakes.length > 0)
    throw new InputError('endpoint-options', mistakes, 'Leave an option out to have its default.');
  return { url: checkedUrl(options.url), key, apiKeyVariable, maxInFlight, timeoutMs, retries };
}

interface Opened {
  readonly report: ServerReport;
  /** In the layout that the server has now. */
  readonly own: Engine;
}

async function open(options: OpenaiCompatibleOptions, settings: ClientSettings): Promise<Opened> {
  // Somebody is waiting for an answer here, and a server that is not there now is most likely a mistake.
  const client = createClient({ ...settings, retries: Math.min(settings.retries, 2) });
  const report = await askServer(client, settings.url, options.model ?? null);
  const constraint = options.constraint ?? (await findConstraint(client, settings.url, report, options.body ?? {}));
  const own: Engine = {
    name: 'openai-compatible',
    version: report.kind,
    method: 1,
    build: report.build,
    backend: constraint,
    device: 'endpoint',
    threads: 0,
    sequences: report.slots,
    batchTokens: 0,
    contextTokens: options.contextTokens ?? report.contextTokens ?? usualContextTokens,
    // What else a server computes at the same time may change the last bits of an answer's probabilities.
    reproducible: 'replay',
  };
  return { report, own };
}

const usualContextTokens = 4096;

/** Before anything has run, a wrong address, name or key is a mistake of the input, not of the world. */
async function asInputError<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const mistakes = ['endpoint-unauthorized', 'endpoint-not-found', 'endpoint-redirects', 'endpoint-unreadable'];
    if (!(error instanceof BetterTogetherError) || !mistakes.includes(error.code)) throw error;
    throw new InputError(error.code, [error.message], error.hint, { cause: error });
  }
}

function baseModel(
  url: string,
  { model, identity, facts }: ServerReport,
  body: { readonly [field: string]: Json },
): BaseModel {
  return {
    sha256: contentId({ endpoint: url, model, server: identity, ...(Object.keys(body).length > 0 ? { body } : {}) }),
    path: `${url}#${model}`,
    name: model,
    architecture: 'unknown',
    layers: 0,
    ...facts,
  };
}

/** An id in a request must be the weights that answer it, and a rule of choosing must be followed: a mistake here would be remembered. */
function requireOwnRequest({ model, choice }: LmRequest, base: BaseModel, adapter: unknown): void {
  if (model.base !== base.sha256) throw new TypeError(`The request is for base ${model.base}, this is ${base.sha256}`);
  if (model.adapter !== null || adapter !== null)
    throw new TypeError(`The request is for adapter ${model.adapter}, and the endpoint ${base.path} has none`);
  if (choice !== 'greedy')
    throw new InputError(
      'choice-out-of-reach',
      [
        `The choice rule "${typeof choice === 'string' ? choice : 'calibrated'}" needs the labels' probabilities, which ${base.path} does not give.`,
      ],
      'Use choice: "greedy", or a local GGUF file.',
    );
}
