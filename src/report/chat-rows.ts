import type { DataSetRow } from '../core/data-set.ts';

/** A row as the conversation that it teaches. */
function chatRow({ prompt, pieces, predictor, example, from }: DataSetRow) {
  const { system, turns, user } = prompt;
  const message = (role: string, content: string) => ({ role, content });
  return {
    messages: [
      ...(system === '' ? [] : [message('system', system)]),
      ...turns.flatMap((turn) => [message('user', turn.user), message('assistant', turn.assistant)]),
      message('user', user),
      message('assistant', pieces.join('')),
    ],
    predictor,
    source: { example, from },
  };
}

/** Chat JSONL: one conversation a line, with the predictor that has it and the train example that it comes from. */
export const chatJsonl = (rows: readonly DataSetRow[]): string =>
  rows.map((row) => `${JSON.stringify(chatRow(row))}\n`).join('');
