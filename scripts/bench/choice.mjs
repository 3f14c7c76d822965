import { inCheckout, readText } from '../setup/checkout.mjs';
import { interleaved } from './interleaved.mjs';
import { openModel, requestOf, secondsFor } from './model.mjs';

const labels = [
  'refund request',
  'late delivery',
  'damaged item',
  'wrong item sent',
  'cancel an order',
  'change of address',
  'login problem',
  'payment failed',
  'copy of an invoice',
  'warranty claim',
  'product question',
  'close the account',
];
const system = `What is the message about? Answer with a JSON object: {"topic": one of ${labels.map((label) => JSON.stringify(label)).join(', ')}}`;
const wordsKept = 18;
const inFlight = 8;

const before = { type: 'text', text: '{"topic": "' };
const after = { type: 'text', text: '}' };
/** The same answer in three ways: decided from the labels' token paths, by forks or as a whole, or sampled token by token under a grammar. */
const plans = {
  choice: [before, { type: 'choice', options: labels.map((label) => `${label}"`) }, after],
  generated: [
    before,
    {
      type: 'value',
      grammar: `root ::= (${labels.map((label) => JSON.stringify(label)).join(' | ')}) "\\""`,
      end: { kind: 'text', text: '"' },
    },
    after,
  ],
};

/** A closed choice of 12 labels against generating the label under a grammar: rows per second, passes, and whether the answers agree. */
export async function bench(say) {
  const lm = await openModel({ sequences: inFlight, contextTokens: 1024 });
  try {
    const requests = questions().map((user) => requestOf(lm, { system, user, maxTokens: 64 }));
    say(`${requests.length} questions of ${wordsKept} words at most, ${labels.length} labels …`);
    const answers = { choice: [], generated: [], whole: [] };
    const rate =
      (name, change, count = requests.length) =>
      async () => {
        const asked = requests.slice(0, count).map((request, index) => ({ request: { ...request, ...change }, index }));
        const seconds = await secondsFor(asked, inFlight, async ({ request, index }) => {
          answers[name][index] = await lm.generate(request, { adapter: null });
        });
        return { perSecond: count / seconds };
      };
    const rates = await interleaved(
      {
        choice: rate('choice', { answer: plans.choice }),
        generated: rate('generated', { answer: plans.generated }),
        whole: rate('whole', { answer: plans.choice, choice: 'most-probable' }, 100),
      },
      1,
    );
    return await report(lm, requests, answers, rates);
  } finally {
    await lm.release();
  }
}

async function report(lm, requests, answers, rates) {
  const passes = mean(answers.choice.map(({ constraint }) => constraint.forks));
  const rows = answers.generated.map(({ pieces }, index) => ({ prompt: requests[index].prompt, pieces: [pieces[1]] }));
  const generated = mean((await lm.encode(rows)).map(({ completionIds }) => completionIds.length - 1));
  const own = mean(answers.choice.map(({ usage }) => usage.prompt - usage.cachedPrompt));
  const differing = answers.choice.filter(({ pieces }, index) => pieces[1] !== answers.generated[index].pieces[1]);
  const figures = {
    rows: requests.length,
    ownTokens: own,
    passesOfChoice: passes,
    passesOfGenerating: generated,
    passesAgainstGenerating: passes / generated,
    rowsPerSecondOfChoice: rates.choice.perSecond,
    rowsPerSecondOfGenerating: rates.generated.perSecond,
    choiceAgainstGenerating: rates.choice.perSecond / rates.generated.perSecond,
    wholeLabelsAgainstGenerating: rates.whole.perSecond / rates.generated.perSecond,
    answersThatDiffer: differing.length,
    leastConfidenceWhereTheyDiffer: Math.min(1, ...differing.map(({ choices }) => choices[1].confidence)),
  };
  return {
    figures: Object.fromEntries(Object.entries(figures).map(([key, value]) => [key, Number(value.toFixed(3))])),
    head: ['closed choice of 12 labels', 'rows/s', 'passes', 'against generating'],
    rows: [
      [
        'decided by forks',
        rates.choice.perSecond.toFixed(2),
        passes.toFixed(2),
        figures.choiceAgainstGenerating.toFixed(2),
      ],
      [
        'decided by whole labels',
        rates.whole.perSecond.toFixed(2),
        '',
        figures.wholeLabelsAgainstGenerating.toFixed(2),
      ],
      ['generated under a grammar', rates.generated.perSecond.toFixed(2), generated.toFixed(2), '1.00'],
      [`answers that differ, of ${requests.length}`, differing.length, '', ''],
    ],
  };
}

/** 500 beginnings of the demo's tickets, all different. */
function questions() {
  const lines = readText(inCheckout('data/tickets.jsonl')).trim().split('\n');
  const texts = lines.map((line) => JSON.parse(line).ticket.split(/\s+/).slice(0, wordsKept).join(' '));
  return [...new Set(texts)].slice(0, 500);
}

const mean = (numbers) => numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
