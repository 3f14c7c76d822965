import type { Json } from '../../core/json.ts';
import type { AnswerPlan } from '../../core/lm.ts';
import { chatRequest } from './chat-request.ts';
import { readCompletion } from './chat-response.ts';
import { type Client, unreadable } from './client.ts';
import type { Constraint } from './constraint.ts';
import { EndpointError } from './endpoint-error.ts';
import { cutPieces } from './pieces.ts';
import type { ServerReport } from './server-report.ts';

/** A word that nobody says: whoever answers with it was held to it. */
const probe: NonNullable<AnswerPlan> = [
  { type: 'text', text: '{"answer": "' },
  { type: 'choice', options: ['c4b1e9'] },
  { type: 'text', text: '"}' },
];

/** Servers pass over fields they do not know, so each way is tried before it is relied on. */
export async function findConstraint(
  client: Client,
  url: string,
  report: ServerReport,
  body: { readonly [field: string]: Json },
): Promise<Constraint> {
  const sampling = {
    temperature: 0,
    topK: 0,
    topP: 1,
    minP: 0,
    repetitionPenalty: 1,
    maxTokens: 256,
    seed: 0,
  };
  const { signal } = new AbortController();
  for (const constraint of report.constraints) {
    const request = { prompt: { system: '', turns: [], user: 'Say hello.' }, answer: probe, sampling };
    const asked = chatRequest(request, { model: report.model, constraint, body });
    try {
      const completion = readCompletion(await client.post('/chat/completions', asked, signal));
      if (!completion) throw unreadable(url, 200, 'no choices');
      if (cutPieces(probe, completion.choices[0]?.message.content ?? '')) return constraint;
    } catch (error) {
      if (!(error instanceof EndpointError && error.code === 'endpoint-rejected')) throw error;
    }
  }
  return 'none';
}
