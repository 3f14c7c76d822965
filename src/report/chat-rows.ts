import { messagesOf } from '../core/chat-messages.ts';
import type { DataSetRow } from '../core/data-set.ts';

/** A row as the conversation that it teaches. */
const chatRow = ({ prompt, pieces, predictor, example, from }: DataSetRow) => ({
  messages: [...messagesOf(prompt), { role: 'assistant', content: pieces.join('') }],
  predictor,
  source: { example, from },
});

/** Chat JSONL: one conversation a line, with the predictor that has it and the train example that it comes from. */
export const chatJsonl = (rows: readonly DataSetRow[]): string =>
  rows.map((row) => `${JSON.stringify(chatRow(row))}\n`).join('');
