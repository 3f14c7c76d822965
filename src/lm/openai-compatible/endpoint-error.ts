import { WorldError } from '../../core/errors.ts';

/** What a server answered that is no answer; `status` is null where nothing came that could be read. */
export interface Refusal {
  readonly status: number | null;
  /** The server's own words, without the key. */
  readonly evidence: string;
}

/** A request that an endpoint did not answer, for good: what was computed so far is kept, and the run can be resumed. */
export class EndpointError extends WorldError {
  readonly status: number | null;
  readonly evidence: string;

  constructor(code: string, message: string, hint: string, { status, evidence, cause }: Refusal & { cause?: unknown }) {
    super(code, message, hint, cause === undefined ? {} : { cause });
    this.status = status;
    this.evidence = evidence;
  }
}

interface Kind {
  readonly code: string;
  readonly hint: string;
}

const kinds: Readonly<Record<number, Kind>> = {
  401: { code: 'endpoint-unauthorized', hint: 'Put a valid key for it into' },
  403: { code: 'endpoint-unauthorized', hint: 'Put a key that may use this model into' },
  404: {
    code: 'endpoint-not-found',
    hint: 'Check the path (most servers want /v1 at the end) and the name of the model.',
  },
  429: {
    code: 'endpoint-rate-limited',
    hint: 'Wait, ask for a higher limit, or allow fewer requests at once (maxInFlight). Then run again: it goes on where it was.',
  },
};

/** The error for a status that stays; names what to do about it. */
export function statusError(url: string, apiKeyVariable: string, refusal: Refusal & { status: number }): EndpointError {
  const { status, evidence } = refusal;
  const { code, hint } = kinds[status] ?? usualKind(status);
  const remedy = code === 'endpoint-unauthorized' ? `${hint} the environment variable ${apiKeyVariable}.` : hint;
  return new EndpointError(code, `The endpoint ${url} answered ${status}: ${evidence}`, remedy, refusal);
}

function usualKind(status: number): Kind {
  if (status >= 300 && status < 400)
    return {
      code: 'endpoint-redirects',
      hint: 'Requests go only where you said. Name the address it points to, if you trust that.',
    };
  if (status >= 500)
    return { code: 'endpoint-failing', hint: 'Look into the server, then run again: it goes on where it was.' };
  return {
    code: 'endpoint-rejected',
    hint: 'The server does not take this request. Set `constraint` to what it supports, or mend what its words say.',
  };
}
