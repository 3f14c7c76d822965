import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { inCheckout } from '../setup/checkout.mjs';

// What `evaluate` and `replay` share: a routing task, a model that answers at once, and the memory of a run in front of it.

/** A module of the compiled sources: what is measured is what a user runs. */
export const compiled = (path) => import(pathToFileURL(inCheckout('dist', path)));

const { initialCandidate, withPredictor } = await compiled('core/candidate.js');
const { example } = await compiled('core/example.js');
const { firstAttempt, prepare } = await compiled('core/program.js');
const { signature } = await compiled('core/signature.js');
const { evaluateCandidate } = await compiled('evaluate/evaluate.js');
const { exactMatch } = await compiled('evaluate/metrics.js');
const { remembering } = await compiled('run/memory.js');
const { sqliteStore } = await compiled('store/sqlite-store.js');

const teams = ['billing', 'delivery', 'account', 'technical'];

const routing = signature({
  instructions: 'Route the ticket to the team that should answer it.',
  inputs: signature('ticket -> team').inputs.shape,
  outputs: signature(`ticket -> team: ${teams.map((team) => `'${team}'`).join(' | ')}`).outputs.shape,
});

const candidate = initialCandidate(
  { route: routing },
  { chatFormat: 'json', decoding: 'constrained', model: { base: 'a'.repeat(64), adapter: null } },
);

/** A candidate with instructions of its own. */
export const candidateWith = (instructions) => withPredictor(candidate, 'route', { instructions });

/** Tickets that differ, each with its team. */
export const tickets = (count) =>
  Array.from({ length: count }, (_, index) =>
    example(
      { ticket: `My parcel number ${index} should have come last week, and nobody at the counter knows where it is.` },
      { team: teams[index % teams.length] },
    ),
  );

const engine = {
  name: 'scripted',
  version: '1',
  method: 1,
  build: 'bench',
  backend: 'none',
  device: 'cpu',
  threads: 2,
  sequences: 8,
  batchTokens: 512,
  contextTokens: 4096,
  reproducible: 'bytes',
};

export const scriptedModel = {
  async generate({ answer }) {
    return {
      failure: null,
      pieces: answer.map((part) => (part.type === 'choice' ? part.options[1] : part.text)),
      choices: answer.map((part) => (part.type === 'choice' ? { confidence: 0.82, probabilities: null } : null)),
      constraint: { forks: 1, overruled: 0 },
      completionIds: [1042, 88, 9],
      usage: { prompt: 63, cachedPrompt: 41, completion: 3 },
    };
  },
};

const structure = { predictors: { route: routing }, run: (inputs, call) => call('route', inputs) };

/** Makes the request of a ticket, with the candidate's part of the prompt known. */
export function requestMaker() {
  const { request } = prepare(structure, candidate, firstAttempt);
  return (inputs) => request('route', inputs);
}

/** Evaluates a candidate; `answer` is where calls are answered. */
export const evaluateOn = (examples, answer, concurrency, measured = candidate) =>
  evaluateCandidate({
    structure,
    candidate: measured,
    examples,
    metric: exactMatch('team'),
    attempt: firstAttempt,
    answer,
    concurrency,
    maxErrors: 0,
    leaveOneOut: false,
    onRow: () => {},
  });

/** The memory that a run has: each call is journaled in the store before its answer is used. */
export const memoryOver = (store) =>
  remembering({
    store,
    run: 'bench',
    start: 1,
    hosts: { hostOf: async () => scriptedModel, engineOf: async () => engine, adapterFile: () => undefined },
    budget: { request: async () => ({ settle: () => {} }) },
    signal: new AbortController().signal,
    onCount: () => {},
  });

/** A folder that is gone afterwards. */
export async function withFolder(work) {
  const folder = mkdtempSync(join(tmpdir(), 'better-together-bench-'));
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A store in a file of its own, as a run has it. */
export const withStore = (work) =>
  withFolder(async (folder) => {
    const store = sqliteStore(join(folder, 'runs.sqlite'));
    try {
      return await work(store);
    } finally {
      store.close();
    }
  });
