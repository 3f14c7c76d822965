import { readFileSync } from 'node:fs';
import { example } from '../../dist/core/example.js';
import { seededRng } from '../../dist/core/rng.js';
import { checkData } from '../../dist/run/data-checks/check-data.js';
import { inCheckout } from '../setup/checkout.mjs';

const edits = {
  'word for word': (text) => text,
  'other case and punctuation': (text) => text.toUpperCase().replaceAll(/[.,!?](?!\d)/g, ''),
  'a typing mistake': (text, rng) => replaced([...text], 1 + rng.int(text.length - 2), ['q']).join(''),
  'a word less': (text, rng) => edited(text, rng, () => []),
  'another word': (text, rng) => edited(text, rng, () => ['something']),
  'two words swapped': (text, rng) => edited(text, rng, (word, next) => [next, word], 2),
  'a sentence more': (text) => `${text} Thanks in advance!`,
};

/**
 * What the data checks find in files (JSONL rows of a text, its label and a split, in this order; default: the data sets of this project),
 * how many copies of test rows they find when these are planted in train, and what 10,000 rows cost.
 */
export async function bench(say, files) {
  const names = files.length > 0 ? files : [inCheckout('data/tickets.jsonl'), inCheckout('data/iris.jsonl')];
  const sets = new Map(names.map((file) => [nameOf(file), readRows(file)]));
  const found = [...sets].map(([name, rows]) => [name, rows, countsOf(rows)]);
  const tickets = readRows(inCheckout('data/tickets.jsonl'));
  const planted = Object.entries(edits).map(([name, edit]) => [name, ...plantedAndFound(tickets, edit)]);
  say('checking 10,000 rows …');
  const seconds = cpuSeconds(() => checkData(manyRows(tickets)));
  return {
    figures: {
      ...Object.fromEntries(found.flatMap(([name, , counts]) => entries(name, counts))),
      ...Object.fromEntries(planted.map(([name, count, hits]) => [`found: ${name}`, hits / count])),
      cpuSecondsFor10000Rows: Number(seconds.toFixed(1)),
    },
    head: ['data', 'rows', 'found'],
    rows: [
      ...found.map(([name, rows, counts]) => [name, rows.length, countsText(counts)]),
      ...planted.map(([name, count, hits]) => [`tickets copied into train: ${name}`, count, `${hits} as leaks`]),
      ['10,000 rows made of tickets', 10_000, `in ${seconds.toFixed(1)} CPU seconds`],
    ],
  };
}

/** Two files may both be called rows.jsonl: their folders tell them apart. */
const nameOf = (file) => file.split('/').slice(-2).join('/');

const readRows = (file) =>
  readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line, index) => {
      const { split, ...fields } = JSON.parse(line);
      const [[input, text], ...labels] = Object.entries(fields);
      return placed({ [input]: text }, Object.fromEntries(labels), split ?? 'train', index);
    });

const placed = (inputs, labels, split, index) => ({
  split,
  place: `row ${index + 1}`,
  example: example(inputs, labels),
});

function countsOf(rows) {
  const counts = {};
  for (const { kind } of checkData(rows).findings) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
}

const entries = (name, counts) => Object.entries(counts).map(([kind, count]) => [`${name}: ${kind}`, count]);

const countsText = (counts) =>
  Object.entries(counts)
    .map(([kind, count]) => `${kind} ${count}`)
    .join(', ') || 'nothing';

/** Every test ticket, edited, as one more train row: how many there are, and how many of them are named as leaks. */
function plantedAndFound(tickets, edit) {
  const rng = seededRng(0);
  const copies = tickets
    .filter(({ split }) => split === 'test')
    .map(({ example: { inputs, labels } }, index) =>
      placed({ ticket: edit(inputs.ticket, rng) }, labels, 'train', tickets.length + index),
    );
  const leaks = checkData([...tickets, ...copies]).findings.filter(({ kind }) => kind.endsWith('test-leak'));
  const named = new Set(leaks.flatMap(({ rows }) => rows.map(({ place }) => place)));
  return [copies.length, copies.filter(({ place }) => named.has(place)).length];
}

function edited(text, rng, change, count = 1) {
  const words = text.split(' ');
  const at = rng.int(Math.max(1, words.length - count + 1));
  return replaced(words, at, change(...words.slice(at, at + count)), count).join(' ');
}

const replaced = (list, at, items, count = 1) => [...list.slice(0, at), ...items, ...list.slice(at + count)];

/** Tickets of which every third word is another one. */
function manyRows(tickets) {
  const rng = seededRng(0);
  const texts = tickets.map(({ example: { inputs } }) => inputs.ticket.split(' '));
  const vocabulary = [...new Set(texts.flat())];
  const pick = (list) => list[rng.int(list.length)];
  return Array.from({ length: 10_000 }, (_, index) => {
    const words = pick(texts).map((word) => (rng.int(3) === 0 ? pick(vocabulary) : word));
    return placed({ ticket: words.join(' ') }, { team: 'billing' }, index % 4 === 0 ? 'test' : 'train', index);
  });
}

function cpuSeconds(work) {
  const before = process.cpuUsage();
  work();
  return process.cpuUsage(before).user / 1e6;
}
