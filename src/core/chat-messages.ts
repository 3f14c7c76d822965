import type { Prompt } from './lm.ts';

/** A message of a conversation, as chat endpoints and files of conversations have it. */
export type ChatMessage = { readonly role: 'system' | 'user' | 'assistant'; readonly content: string };

/** A prompt as a conversation; without a system text there is no system message. */
export const messagesOf = ({ system, turns, user }: Prompt): ChatMessage[] => [
  ...(system === '' ? [] : [message('system', system)]),
  ...turns.flatMap((turn) => [message('user', turn.user), message('assistant', turn.assistant)]),
  message('user', user),
];

const message = (role: ChatMessage['role'], content: string): ChatMessage => ({ role, content });
