import { now } from '../../system/clock.ts';

export interface HttpRequest {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** A GET without one. */
  readonly body?: string;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

export interface Reply {
  readonly status: number;
  readonly text: string;
  /** How long the server asks to be left alone. */
  readonly retryAfterMs: number | null;
  readonly location: string | null;
}

/** One request and its whole reply, within the timeout. Redirects are not followed: they could lead to another machine. */
export async function exchange({ url, headers, body, timeoutMs, signal }: HttpRequest): Promise<Reply> {
  const response = await fetch(url, {
    method: body === undefined ? 'GET' : 'POST',
    headers,
    ...(body === undefined ? {} : { body }),
    redirect: 'manual',
    signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
  });
  const { status } = response;
  return {
    status,
    text: await response.text(),
    retryAfterMs: retryAfter(response.headers),
    location: response.headers.get('location'),
  };
}

/** `Retry-After` in seconds or as a date (RFC 9110, 10.2.3), or in milliseconds as some clouds say it. */
function retryAfter(headers: Headers): number | null {
  const milliseconds = headers.get('retry-after-ms');
  if (milliseconds !== null && Number(milliseconds) >= 0) return Number(milliseconds);
  const value = headers.get('retry-after');
  if (value === null) return null;
  if (/^\d+(\.\d+)?$/.test(value.trim())) return 1000 * Number(value);
  const date = Date.parse(value);
  return Number.isNaN(date) ? null : Math.max(0, date - now());
}
