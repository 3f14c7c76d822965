import { canonicalJson, type Json, textId } from './json.ts';
import type { Engine, LmRequest } from './lm.ts';

/** What many calls have in common, as canonical text, and its sha256: everything but the user's text of the prompt. */
export interface SharedRequest {
  readonly id: string;
  readonly text: string;
}

export interface CallKey {
  /** Equal for equal requests to equal engines, and for nothing else. */
  readonly key: string;
  readonly shared: SharedRequest;
}

/**
 * Names calls by content: what of a request and its engine decides the answer. The shared part is hashed once for all requests that hold
 * the very same objects, as those of one prepared predictor do; any others get the same key in a little more time.
 */
export function callKeys(): (request: LmRequest, engine: Engine) => CallKey {
  const known = new WeakMap<
    LmRequest['prompt']['turns'],
    { request: LmRequest; engine: Engine; shared: SharedRequest }
  >();
  const sharedOf = (request: LmRequest, engine: Engine): SharedRequest => {
    const last = known.get(request.prompt.turns);
    if (last && last.engine === engine && shareAll(last.request, request)) return last.shared;
    const shared = sharedRequest(request, engine);
    known.set(request.prompt.turns, { request, engine, shared });
    return shared;
  };
  return (request, engine) => {
    const shared = sharedOf(request, engine);
    return { key: textId(`${shared.id} ${request.prompt.user}`), shared };
  };
}

/** The seed decides an answer only above temperature 0, and whether an engine is reproducible never does. */
function sharedRequest(request: LmRequest, { reproducible: _, ...engine }: Engine): SharedRequest {
  const { user: __, ...prompt } = request.prompt;
  const { seed, ...greedy } = request.sampling;
  const sampling = greedy.temperature === 0 ? greedy : { ...greedy, seed };
  // `as`: requests and engines are plain data.
  const text = canonicalJson({ ...request, prompt, sampling, engine } as unknown as Json);
  return { id: textId(text), text };
}

const shareAll = (a: LmRequest, b: LmRequest): boolean =>
  sameApartFrom('prompt', a, b) && sameApartFrom('user', a.prompt, b.prompt);

/** Whether two values of one type are the very same in all their members but one. */
function sameApartFrom<T extends object>(own: keyof T, a: T, b: T): boolean {
  // `as`: a value of type T has T's members.
  const names = Object.keys(a) as (keyof T)[];
  return names.length === Object.keys(b).length && names.every((name) => name === own || a[name] === b[name]);
}
