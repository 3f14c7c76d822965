import { readFileSync } from 'node:fs';
import { inCheckout } from '../setup/checkout.mjs';
import { openModel } from './model.mjs';

const most = { train: 240, val: 96 };

/**
 * Whether neighbours by embeddings mean something: how often the train rows nearest to a val row have its label, and by what chance they
 * would. A part is a JSONL file whose rows have a text, its label, in this order, and a split; default: the demo's tickets.
 */
export async function bench(say, [file = inCheckout('data/tickets.jsonl')]) {
  const rows = readFileSync(file, 'utf8').trim().split('\n').map(readRow);
  const [train, val] = Object.entries(most).map(([split, count]) =>
    rows.filter((row) => row.split === split).slice(0, count),
  );
  say(`embedding ${train.length} train and ${val.length} val rows …`);
  const { vectors, textsPerSecond } = await embedded([...train, ...val].map(({ text }) => text));
  const [known, asked] = [vectors.slice(0, train.length), vectors.slice(train.length)];
  const agreeing = (count) => mean(val.map(({ label }, index) => shareOf(label, nearest(asked[index], known, count))));
  const shareOf = (label, places) => mean(places.map((place) => (train[place].label === label ? 1 : 0)));
  const figures = {
    nearestHasTheLabel: agreeing(1),
    fiveNearestHaveTheLabel: agreeing(5),
    anyRowHasTheLabel: mean(val.map(({ label }) => shareOf(label, [...train.keys()]))),
    textsPerSecond,
  };
  return {
    figures: Object.fromEntries(Object.entries(figures).map(([name, value]) => [name, Number(value.toFixed(3))])),
    head: ['neighbours', 'of the same label'],
    rows: [
      ['the nearest train row', figures.nearestHasTheLabel.toFixed(3)],
      ['of the 5 nearest', figures.fiveNearestHaveTheLabel.toFixed(3)],
      ['of all, which is chance', figures.anyRowHasTheLabel.toFixed(3)],
      ['texts embedded per second, 1 thread', textsPerSecond.toFixed(1)],
    ],
  };
}

async function embedded(texts) {
  const lm = await openModel({ threads: 1, sequences: 1 });
  try {
    await lm.engine();
    const started = performance.now();
    const vectors = await lm.embed(texts);
    return { vectors, textsPerSecond: texts.length / ((performance.now() - started) / 1000) };
  } finally {
    await lm.release();
  }
}

function readRow(line) {
  const { split, ...fields } = JSON.parse(line);
  const [text, label] = Object.values(fields);
  return { text, label, split };
}

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** The places of the vectors with the highest cosines. */
function nearest(vector, vectors, count) {
  const cosines = vectors.map((other) => other.reduce((sum, value, index) => sum + value * vector[index], 0));
  return [...cosines.keys()].sort((a, b) => cosines[b] - cosines[a]).slice(0, count);
}
