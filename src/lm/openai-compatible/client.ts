import { randomInt } from 'node:crypto';
import type { Json } from '../../core/json.ts';
import { EndpointError, statusError } from './endpoint-error.ts';
import { exchange, type Reply } from './exchange.ts';
import { createGate, sleep } from './gate.ts';

export interface ClientSettings {
  readonly url: string;
  readonly key: string | undefined;
  readonly apiKeyVariable: string;
  readonly timeoutMs: number;
  readonly maxInFlight: number;
  /** Further tries after the first. */
  readonly retries: number;
  /** The wait before the first of them; it doubles with each. */
  readonly backoffMs: number;
}

export interface Client {
  /** The JSON that an address below the endpoint's root or the endpoint answers with; null where it has none. Throws for a key that is refused. */
  get(address: string): Promise<Json | null>;
  post(address: string, body: Json, signal: AbortSignal): Promise<Json>;
}

/** Waiting for one request in all: a longer one is the operator's to decide on. */
const longestWaitMs = 30 * 60_000;
const longestBackoffMs = 60_000;

type Outcome =
  | { readonly kind: 'answered'; readonly body: Json }
  | { readonly kind: 'failed'; readonly error: EndpointError; readonly retryAfterMs: number | null };

/**
 * Requests to one endpoint, a bounded number at once. What may pass is tried again: 408, 429, 5xx but 501, a lost or refused connection, a
 * timeout, and a reply that is no JSON. A wait that the server asks for holds for all requests and uses up no try.
 */
export function createClient(settings: ClientSettings): Client {
  const { url, retries } = settings;
  const gate = createGate(settings.maxInFlight);

  async function persistently(attempt: () => Promise<Outcome>, signal: AbortSignal): Promise<Json> {
    let waited = 0;
    for (let tries = 0; ; ) {
      const outcome = await gate.pass(attempt, signal);
      if (outcome.kind === 'answered') return outcome.body;
      const { error, retryAfterMs } = outcome;
      if (!isRetryable(error) || (retryAfterMs === null && tries >= retries)) throw error;
      const pause = retryAfterMs ?? backoff(settings.backoffMs, tries++);
      waited += pause;
      if (waited > longestWaitMs) throw error;
      if (retryAfterMs !== null) gate.pause(pause);
      else await sleep(pause, signal);
    }
  }

  return {
    async get(address) {
      const { signal } = new AbortController();
      try {
        return await persistently(() => attemptOnce(settings, address, undefined, signal), signal);
      } catch (error) {
        if (isUnknownAddress(error)) return null;
        throw error;
      }
    },
    post: (address, body, signal) =>
      persistently(() => attemptOnce(settings, `${url}${address}`, JSON.stringify(body), signal), signal),
  };
}

/** Half of it is chance, so that many who failed together do not come back together. */
function backoff(firstMs: number, tries: number): number {
  const whole = Math.min(firstMs * 2 ** tries, longestBackoffMs);
  return whole / 2 + (whole / 2) * (randomInt(1000) / 1000);
}

const isRetryable = ({ status }: EndpointError): boolean =>
  status === null || status === 200 || status === 408 || status === 429 || (status >= 500 && status !== 501);

/** A server that does not have an address says so in one of these ways, or shows a page. */
const isUnknownAddress = (error: unknown): boolean =>
  error instanceof EndpointError &&
  (error.code === 'endpoint-unreadable' || [400, 404, 405, 501].includes(error.status ?? 0));

async function attemptOnce(
  settings: ClientSettings,
  address: string,
  body: string | undefined,
  signal: AbortSignal,
): Promise<Outcome> {
  const { url, key, timeoutMs } = settings;
  const headers = {
    accept: 'application/json',
    ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
  };
  try {
    const reply = await exchange({ url: address, headers, ...(body === undefined ? {} : { body }), timeoutMs, signal });
    return read(reply, settings);
  } catch (cause) {
    if (signal.aborted) throw signal.reason;
    return { kind: 'failed', error: connectionError(url, timeoutMs, cause), retryAfterMs: null };
  }
}

function read(reply: Reply, { url, key, apiKeyVariable }: ClientSettings): Outcome {
  const { status, text, location, retryAfterMs } = reply;
  // Servers quote the key that they refuse.
  const words = key === undefined ? text : text.replaceAll(key, '[key]');
  const evidence = location ? `it points to ${location}` : JSON.stringify(words.slice(0, 300));
  const failed = (error: EndpointError): Outcome => ({ kind: 'failed', error, retryAfterMs });
  if (status < 200 || status > 299) return failed(statusError(url, apiKeyVariable, { status, evidence }));
  try {
    // `as`: JSON.parse returns JSON.
    return { kind: 'answered', body: JSON.parse(text) as Json };
  } catch {
    return failed(unreadable(url, status, evidence));
  }
}

export const unreadable = (url: string, status: number, evidence: string): EndpointError =>
  new EndpointError(
    'endpoint-unreadable',
    `The endpoint ${url} answered what is no chat completion: ${evidence}`,
    'Check that the address is that of an OpenAI-compatible API (most servers want /v1 at the end).',
    { status, evidence },
  );

function connectionError(url: string, timeoutMs: number, cause: unknown): EndpointError {
  if (cause instanceof Error && cause.name === 'TimeoutError')
    return new EndpointError(
      'endpoint-timeout',
      `The endpoint ${url} did not answer within ${timeoutMs / 1000} seconds.`,
      'Allow more time (timeoutMs) or fewer requests at once (maxInFlight), then run again: it goes on where it was.',
      { status: null, evidence: '', cause },
    );
  const reason = reasonOf(cause);
  return new EndpointError(
    'endpoint-unreachable',
    `The endpoint ${url} cannot be reached: ${reason}.`,
    'Start the server, or correct the address; then run again: it goes on where it was.',
    { status: null, evidence: reason, cause },
  );
}

/** fetch says "fetch failed" and puts the reason behind it. */
function reasonOf(error: unknown): string {
  const { cause } = error instanceof Error ? error : {};
  if (!(cause instanceof Error)) return error instanceof Error ? error.message : String(error);
  return 'code' in cause ? String(cause.code) : cause.message;
}
