import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { inCheckout } from '../setup/checkout.mjs';
import { peerEnvironment } from './peers/environment.mjs';
import { serve } from './peers/server.mjs';
import { withFolder } from './scripted.mjs';

const seeds = 20;

/** Python processes: a request is mostly waiting. */
const workers = 4;

/** Our prompt optimizers against gepa's and DSPy's own, on the laboratory's problems with the same scripted models and as many metric calls. */
export async function bench(say, parts) {
  return withFolder(async (folder) => {
    // Who stops the bench ends this process at once: the environment and its programs are to go with it.
    process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
    const laboratory = await bundled('test/support/peers.ts', folder);
    const names = Object.keys(laboratory.optimizers);
    const unknown = parts.find((part) => !names.includes(part));
    if (unknown !== undefined) {
      say(`There is no part "${unknown}" of this bench. Its parts: ${names.join(', ')}.`);
      process.exit(2);
    }
    say('installing the peers …');
    const python = await peerEnvironment(join(folder, 'python'));
    const chosen = names.filter((name) => parts.length === 0 || parts.includes(name));
    const results = await runAll(laboratory, chosen, python, say);
    const compared = chosen.map((name) => comparison(name, results.get(name), laboratory));
    return {
      figures: Object.fromEntries(compared.map(({ name, figures }) => [name, figures])),
      head: ['optimizer', 'problem', 'start', 'theirs', 'ours', 'difference', 'p of below', 'Holm', 'calls', 'ours'],
      rows: compared.flatMap(({ rows }) => rows),
      environment: { seeds, python: python.version, packages: python.packages },
    };
  });
}

/** A TypeScript file with all that it imports, as a module. */
async function bundled(path, folder) {
  const outfile = join(folder, 'laboratory.mjs');
  const banner = { js: `import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);` };
  const entryPoints = [inCheckout(path)];
  await build({ entryPoints, outfile, bundle: true, format: 'esm', platform: 'node', target: 'node20', banner });
  return import(pathToFileURL(outfile));
}

/** What came of every job: by optimizer and problem, seed by seed. */
async function runAll(laboratory, optimizers, python, say) {
  const problems = Object.keys(laboratory.problems);
  const jobs = optimizers.flatMap((optimizer) =>
    problems.flatMap((problem) => Array.from({ length: seeds }, (_, seed) => ({ optimizer, problem, seed }))),
  );
  const results = new Map(optimizers.map((name) => [name, new Map(problems.map((problem) => [problem, []]))]));
  const open = new Map();
  const answer = async (path, body) => {
    if (path === '/next') {
      const job = jobs.shift();
      if (!job) return null;
      open.set(jobName(job), { ...job, ...laboratory.openJob(job) });
      return { ...open.get(jobName(job)).told, name: jobName(job) };
    }
    const [, name, asked] = path.split('/');
    const job = open.get(name);
    if (asked === 'student') return completion(await job.student(body));
    if (asked === 'writer') return completion(await job.writer(body));
    if (asked === 'metric') return job.metric(body);
    const { optimizer, problem, seed, start, best } = job;
    const runs = results.get(optimizer).get(problem);
    runs[seed] = { start, best, ...(await job.close(body)) };
    open.delete(name);
    if (Object.keys(runs).length === seeds) say(`${optimizer}: ${problem}`);
    return null;
  };
  const server = await serve(answer);
  const script = inCheckout('scripts', 'bench', 'peers', 'peers.py');
  try {
    await Promise.all(Array.from({ length: workers }, () => runPython(python.program, script, server.port)));
  } finally {
    server.close();
  }
  return results;
}

const jobName = ({ optimizer, problem, seed }) => `${optimizer}-${problem.replaceAll(/\W+/g, '-')}-${seed}`;

const completion = (content) => ({
  object: 'chat.completion',
  choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content } }],
});

function runPython(program, script, port) {
  const child = spawn(program, [script, port], { stdio: ['ignore', 'ignore', 'pipe'] });
  process.once('exit', () => child.kill());
  let last = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    last = (last + text).slice(-4000);
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => (code === 0 ? resolve() : reject(new Error(`The peers failed.\n${last}`))));
  });
}

/** The table's part on one optimizer. */
function comparison(name, byProblem, { holm, signFlipTest }) {
  const measured = [...byProblem].map(([problem, runs]) => {
    const of = (pick) => mean(runs.map(pick));
    const differences = runs.map(({ ours, theirs }) => ours.score - theirs.score);
    return {
      problem,
      start: of(({ start }) => start),
      best: of(({ best }) => best),
      theirs: of(({ theirs }) => theirs.score),
      ours: of(({ ours }) => ours.score),
      difference: mean(differences),
      pOfBelow: signFlipTest(differences),
      callsOfTheirs: of(({ theirs }) => theirs.metricCalls),
      callsOfOurs: of(({ ours }) => ours.metricCalls),
      bySeed: runs.map(({ theirs, ours }) => ({ theirs, ours })),
    };
  });
  const adjusted = holm(measured.map(({ pOfBelow }) => pOfBelow));
  const all = measured.map((one, index) => ({ ...one, holm: adjusted[index] }));
  const inTheMean = Object.fromEntries(
    ['start', 'best', 'theirs', 'ours', 'difference', 'callsOfTheirs', 'callsOfOurs'].map((key) => [
      key,
      mean(all.map((one) => one[key])),
    ]),
  );
  const rows = [...all, { problem: 'mean', ...inTheMean }].map((one) => [
    name,
    one.problem,
    ...['start', 'theirs', 'ours', 'difference', 'pOfBelow', 'holm'].map((key) => one[key]?.toFixed(3) ?? ''),
    Math.round(one.callsOfTheirs),
    Math.round(one.callsOfOurs),
  ]);
  return { name, figures: { problems: all, mean: inTheMean }, rows };
}

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
