import type { AdapterFile, AnswerPlan, LmResponse } from '../../src/core/lm.ts';
import { seededRng } from '../../src/core/rng.ts';
import type { LocalModel } from '../../src/lm/llama/local-model.ts';
import { type Ask, ask, labelPlan } from './requests.ts';

const labels = ['billing', 'delivery', 'account', 'technical', 'account closure'];
const sentence: AnswerPlan = [
  { type: 'text', text: '{"reply": "' },
  { type: 'value', grammar: `root ::= [a-zA-Z ,']{4,20} "."`, end: { kind: 'text', text: '.' } },
  { type: 'text', text: '", "team": "' },
  { type: 'choice', options: labels },
  { type: 'text', text: '"}' },
];
const number: AnswerPlan = [
  { type: 'text', text: 'Urgency: ' },
  { type: 'value', grammar: String.raw`root ::= [1-9] [0-9]? "\n"`, end: { kind: 'text', text: '\n' } },
];

const prefixes: readonly Pick<Ask, 'system' | 'turns'>[] = [
  { system: '' },
  { system: 'Be brief.' },
  {
    system: `Say which team should answer: ${labels.join(', ')}.`,
    turns: [
      { user: 'The invoice is wrong.', assistant: '{"label": "billing"}' },
      { user: 'The box was empty.', assistant: '{"label": "delivery"}' },
    ],
  },
];

const beginnings = ['My parcel', 'The invoice', 'My password', 'The app', 'The screen', 'Your courier', 'This number'];
const endings = ['never came', 'is wrong', 'does not work', 'is lost', 'stays black', 'came twice', 'was late'];

/**
 * Closed choices, values under grammars and free answers, greedy and drawn, behind a few prefixes and in no order. Free answers are cut
 * off soon, and then they are failures, which have to repeat as well.
 */
export function mixedRequests(count: number, adapters: readonly (AdapterFile | null)[] = [null]): Ask[] {
  const rng = seededRng('mixed requests');
  const one = <T>(items: readonly T[]): T => items[rng.int(items.length)]!;
  return Array.from({ length: count }, (_, index): Ask => {
    const answer = one([labelPlan(labels), sentence, number, null]);
    const sentences = Array.from({ length: 1 + rng.int(3) }, () => `${one(beginnings)} ${one(endings)}.`);
    const sampling = { temperature: one([0, 0.7, 1.2]), topP: one([1, 0.9]), seed: rng.int(1000) };
    return {
      ...one(prefixes),
      user: `${sentences.join(' ')} (${index})`,
      answer,
      adapter: one(adapters),
      sampling: { ...sampling, maxTokens: answer === null ? 10 : 60 },
    };
  });
}

/** Asks all at once in a seeded order of their own, and gives every response as text, in the order of the requests. */
export async function answersInOrder(lm: LocalModel, requests: readonly Ask[], order: string): Promise<string[]> {
  const answers: LmResponse[] = [];
  const asked = seededRng(order)
    .shuffle([...requests.keys()])
    .map(async (index) => {
      answers[index] = await ask(lm, requests[index]!);
    });
  await Promise.all(asked);
  return answers.map((answer) => JSON.stringify(answer));
}
