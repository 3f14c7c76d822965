import type { Probe, TextRow, Weights } from '../core/lm.ts';

/**
 * A conversation about nothing in particular. What a training moves here, it was not meant to move. Changed text makes figures that cannot
 * be compared with earlier ones.
 */
const exchanges: readonly (readonly [question: string, answer: string])[] = [
  [
    'Why does bread rise?',
    'Yeast feeds on the sugar in the dough and gives off gas. The gas is caught in the stretchy dough as small bubbles, and the bubbles make it grow.',
  ],
  [
    'How many days are there in a leap year?',
    'A leap year has 366 days. The extra day is the twenty-ninth of February, which keeps the calendar in step with the sun.',
  ],
  [
    'Write one sentence about the sea in winter.',
    'The sea in winter is grey and loud, and few people walk along the empty beach.',
  ],
  ['What is 17 plus 25?', '17 plus 25 is 42: seven and five make twelve, and ten, twenty and ten more make forty.'],
  [
    'Name three things that one needs to paint a wall.',
    'One needs paint, a brush or a roller, and a cloth that keeps the floor clean.',
  ],
  [
    'Please explain in simple words what a library is for.',
    'A library is a place that keeps many books. People can read them there, or take some home for a while and bring them back.',
  ],
  [
    'My friend says that whales are fish. Is that right?',
    'No. Whales live in the water, but they breathe air, are warm, and feed their young with milk, so they are mammals.',
  ],
  [
    'Turn this into the past tense: she walks to the market and buys apples.',
    'She walked to the market and bought apples.',
  ],
];

/** Each answer's tokens in the model's own chat format, to be predicted one by one. */
export async function neutralProbes({ encode }: Pick<Weights, 'encode'>): Promise<Probe[]> {
  const rows = exchanges.map(
    ([user, answer]): TextRow => ({ prompt: { system: '', turns: [], user }, pieces: [answer] }),
  );
  return (await encode(rows)).map(({ promptIds, completionIds }) => ({
    ids: [...promptIds, ...completionIds],
    positions: completionIds.map((_, index) => promptIds.length - 1 + index),
  }));
}
