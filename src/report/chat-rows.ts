import { messagesOf } from '../core/chat-messages.ts';
import type { DataSetRow } from '../core/data-set.ts';

/** A row as the conversation that it teaches; a pair as TRL takes preferences, a prompt with two answers. */
const chatRow = ({ prompt, pieces, rejected, predictor, example, from }: DataSetRow) => ({
  ...(rejected
    ? { prompt: messagesOf(prompt), chosen: [answer(pieces)], rejected: [answer(rejected)] }
    : { messages: [...messagesOf(prompt), answer(pieces)] }),
  predictor,
  source: { example, from },
});

const answer = (pieces: readonly string[]) => ({ role: 'assistant', content: pieces.join('') });

/** Chat JSONL: one conversation a line, with the predictor that has it and the train example that it comes from. */
export const chatJsonl = (rows: readonly DataSetRow[]): string =>
  rows.map((row) => `${JSON.stringify(chatRow(row))}\n`).join('');
