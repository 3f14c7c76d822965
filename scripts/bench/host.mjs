import { interleaved } from './interleaved.mjs';
import { findLlamaServer, startLlamaServer } from './llama-server.mjs';
import { gguf, openModel, requestOf, secondsFor, textOf, threads } from './model.mjs';

const ownTokens = 50;
const answerTokens = 8;
const contextTokens = 2048;

/** What is asked: so many prompts behind a prefix of so many tokens, in so many slots. `isWarm`: the prefix was asked behind before. */
const scenarios = {
  'a8: 250 shared, warm, 8 slots': { prefix: 250, rows: 48, slots: 8, isWarm: true },
  'a16: 250 shared, warm, 16 slots': { prefix: 250, rows: 48, slots: 16, isWarm: true },
  'b8: nothing shared, 300 own, 8 slots': { prefix: 0, own: 300, rows: 24, slots: 8 },
  'c300: fresh prefix of 300, 60 rows, 8 slots': { prefix: 300, rows: 60, slots: 8, rounds: 2, otherSlots: [1, 4, 16] },
  'c1500: fresh prefix of 1500, 60 rows, 8 slots': {
    prefix: 1500,
    rows: 60,
    slots: 8,
    rounds: 1,
    otherSlots: [1, 4, 16],
  },
  'c200: fresh prefix of 1500, 200 rows, 8 slots': { prefix: 1500, rows: 200, slots: 8, rounds: 1, warmUps: 0 },
};
const flags = { 'no RAM cache': ['--cache-ram', '0'], 'RAM cache': [] };

/** The model host against llama-server on the same model, threads and token ids. */
export async function bench(say, parts) {
  const names = Object.keys(scenarios).map((name) => name.split(':')[0]);
  const unknown = parts.find((part) => !names.includes(part));
  if (unknown !== undefined) {
    say(`There is no part "${unknown}" of this bench. Its parts: ${names.join(', ')}.`);
    process.exit(2);
  }
  const chosen = Object.entries(scenarios).filter((_, index) => parts.length === 0 || parts.includes(names[index]));
  const path = findLlamaServer();
  if (!path) say('llama-server is not on the PATH: only our own figures are measured.');
  const figures = {};
  const rows = [];
  for (const [name, scenario] of chosen) {
    say(`${name} …`);
    const rates = await measure(scenario, path);
    const [key] = name.split(':');
    figures[key] = rates.ours;
    const rivals = Object.entries(rates).filter(([who]) => who !== 'ours');
    for (const [who, rate] of Object.entries(rates))
      say(`  ${who}: ${rate.toFixed(2)} rows/s, ours is ${(rates.ours / rate).toFixed(2)} times that`);
    rows.push([name, 'ours', rates.ours.toFixed(2), '']);
    for (const [who, rate] of rivals) {
      figures[`${key} against ${who}`] = Number((rates.ours / rate).toFixed(3));
      rows.push(['', who, rate.toFixed(2), (rates.ours / rate).toFixed(2)]);
    }
  }
  return { figures, head: ['scenario', 'who', 'rows/s', 'ours against it'], rows, environment: { threads, gguf } };
}

async function measure(scenario, path) {
  const contenders = await openContenders(scenario, path);
  const variants = Object.fromEntries(
    Object.entries(contenders).map(([name, contender]) => [name, () => rateOf(contender, scenario)]),
  );
  try {
    const measured = await interleaved(variants, scenario.rounds ?? 3, scenario);
    return Object.fromEntries(Object.entries(measured).map(([name, { perSecond }]) => [name, perSecond]));
  } finally {
    for (const { close } of Object.values(contenders)) await close();
  }
}

async function openContenders({ slots, otherSlots = [] }, path) {
  const lm = await openModel({ sequences: slots, contextTokens });
  await lm.engine();
  const ours = {
    slots,
    ask: async ({ request }) => lm.generate(request, { adapter: null }),
    close: () => lm.release(),
    lm,
  };
  if (!path) return { ours };
  const contenders = { ours };
  // A fresh prefix is computed once in each slot of the server: fewer slots may be its better choice.
  const others = otherSlots.map((count) => [count, 'no RAM cache']);
  for (const [count, cache] of [[slots, 'no RAM cache'], [slots, 'RAM cache'], ...others]) {
    const server = await startLlamaServer({ path, gguf, threads, slots: count, contextTokens, flags: flags[cache] });
    contenders[`llama-server, ${count} slots, ${cache}`] = {
      slots: count,
      ask: ({ ids }) => server.complete(ids, answerTokens),
      close: server.stop,
      lm,
    };
  }
  return contenders;
}

let seed = 0;

async function rateOf({ slots, ask, lm }, { prefix, own = ownTokens, rows, isWarm }) {
  const system = prefix > 0 ? textOf(prefix, isWarm ? 0 : ++seed) : '';
  const requests = Array.from({ length: rows }, () =>
    requestOf(lm, { system, user: textOf(own, ++seed), maxTokens: answerTokens }),
  );
  const encoded = await lm.encode(requests.map(({ prompt }) => ({ prompt, pieces: null })));
  const questions = requests.map((request, index) => ({ request, ids: encoded[index].promptIds }));
  return { perSecond: rows / (await secondsFor(questions, slots, ask)) };
}
