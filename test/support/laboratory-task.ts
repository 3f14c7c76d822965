import { predict, program } from '../../src/core/callable.ts';
import { type Example, example } from '../../src/core/example.ts';
import { textId } from '../../src/core/json.ts';
import { seededRng } from '../../src/core/rng.ts';
import { signature } from '../../src/core/signature.ts';

/** A kind of ticket: the word that gives it away, what such a ticket is about, and the team that answers it. */
export interface Kind {
  readonly clue: string;
  readonly topic: string;
  readonly team: string;
}

/** What a call decides about a ticket. */
export type Label = 'topic' | 'team';

/** Clues stand in tickets only: no instruction, label or name of a field holds one, so they can only be learnt from rows. */
export const kinds: readonly Kind[] = [
  { clue: 'invoice', topic: 'money', team: 'billing' },
  { clue: 'parcel', topic: 'transport', team: 'delivery' },
  { clue: 'password', topic: 'access', team: 'account' },
  { clue: 'router', topic: 'device', team: 'technical' },
];

/** The labels stand in a ring: who is wrong says the next one, and a wrong label in the data is the one before. */
export const neighbour = (kind: Kind, distance: 1 | -1): Kind =>
  kinds[(kinds.indexOf(kind) + distance + kinds.length) % kinds.length]!;

const teams = "'billing' | 'delivery' | 'account' | 'technical'";
const topics = "'money' | 'transport' | 'access' | 'device'";

/** One call: ticket in, team out. */
export const onePredictor = () => predict(signature(`ticket -> team: ${teams}`, 'Route the ticket.'));

/** Two calls: what the ticket is about, and from that the team. Right only where both are. */
export const twoPredictors = () =>
  program({
    predictors: {
      find: signature(`ticket -> topic: ${topics}`, 'Say what the ticket is about.'),
      route: signature(`ticket, topic -> team: ${teams}`, 'Route the ticket.'),
    },
    async run({ ticket }: { ticket: string }, call) {
      const { topic } = await call('find', { ticket });
      return call('route', { ticket, topic });
    },
  });

export interface RowsOptions {
  readonly seed: number;
  readonly split: string;
  readonly count: number;
  /** What is labelled. */
  readonly labels: readonly Label[];
  /** The share of the rows whose labels are wrong. */
  readonly mislabelled: number;
}

/** As many rows of each kind, in random order. */
export function rows({ seed, split, count, labels, mislabelled }: RowsOptions): Example[] {
  const wrong = Math.round(count * mislabelled);
  const made = Array.from({ length: count }, (_, index) => {
    const kind = kinds[index % kinds.length]!;
    const labelled = index < wrong ? neighbour(kind, -1) : kind;
    return example(
      { ticket: ticketOf(kind, textId(`${seed}/${split}/${index}`).slice(0, 8)) },
      Object.fromEntries(labels.map((label) => [label, labelled[label]])),
    );
  });
  return seededRng(`laboratory/${seed}/${split}`).shuffle(made);
}

const ticketOf = ({ clue }: Kind, number: string): string => `Case ${number}: the ${clue} is a problem again`;

/** A word that stands in this row and nowhere else: whoever is shown a part of it may be shown this. */
export const markerOf = ({ inputs }: Example): string => String(inputs.ticket).slice('Case '.length).split(':')[0]!;

/** Of which kind a question or a demo is: a topic that is given counts, right or wrong, else the clue does. */
export function kindIn(text: string): Kind | undefined {
  const given = /^topic: (\w+)$/m.exec(text)?.[1];
  return kinds.find(({ topic, clue }) => (given === undefined ? text.includes(clue) : topic === given));
}
