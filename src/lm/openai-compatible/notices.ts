import type { Engine } from '../../core/lm.ts';
import type { Notice } from '../../core/notice.ts';
import { isThisMachine } from '../../system/network.ts';
import { socketOf } from './endpoint.ts';

/** What the user should know about a model that is asked over HTTP. */
export function endpointNotices(url: string, { backend }: Engine): Notice[] {
  const { host } = socketOf(url);
  const unconstrained = unconstrainedNotice(url, backend);
  return [
    ...(isThisMachine(host)
      ? []
      : [
          {
            code: 'endpoint-elsewhere',
            message: `Prompts go to ${url}, another machine. You named it, so connections to it are not counted as network attempts.`,
          },
        ]),
    ...(unconstrained === null ? [] : [{ code: 'answers-unconstrained', message: unconstrained }]),
  ];
}

function unconstrainedNotice(url: string, constraint: string): string | null {
  if (constraint === 'none')
    return `${url} does not hold answers to a form, so they are decoded freely and some will fail to parse.`;
  if (constraint === 'response_format')
    return `${url} holds answers to JSON schemas only: in chat formats other than "json" they are decoded freely and some will fail to parse.`;
  return null;
}
