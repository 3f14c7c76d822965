// Do the intervals cover, and is a gain claimed where there is none? A simulation with known truth.
//
// Parts: `intervals`, `pairs`, `selection`; 1,000 runs a cell, or as many as RUNS says.

import { chanceAmongMany } from '../../dist/evaluate/chance-among-many.js';
import { pairedDifference } from '../../dist/evaluate/paired.js';
import { scoreInterval } from '../../dist/evaluate/statistics.js';
import { winnerScore } from '../../dist/evaluate/winner.js';
import { bootstrap } from './statistics/bootstrap.mjs';
import { draws, kinds } from './statistics/draws.mjs';

const runs = Number(process.env.RUNS ?? 1000);
const sizes = [25, 50, 100, 300];
const means = [0.1, 0.5, 0.9, 0.97];
const tried = 20;
const head = ['scores', 'n', 'true mean', 'ours', 'percentile bootstrap', 'BCa bootstrap'];

export async function bench(say, parts) {
  const wanted = parts.length === 0 ? Object.keys(all) : parts;
  const figures = {};
  const rows = [];
  for (const part of wanted) {
    say(`${part} …`);
    all[part](figures, rows);
  }
  return { figures, head, rows };
}

const all = { intervals, pairs, selection };

const share = (count) => (100 * count) / runs;
const shown = (value) => value.toFixed(1);
const meanOf = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
const covers = ({ low, high }, truth) => low <= truth + 1e-12 && truth <= high + 1e-12;

/** The mean coverage of a kind of scores over all cells, and the least. */
function concludes(figures, rows, name, cells) {
  const [mean, least] = [meanOf(cells), Math.min(...cells)];
  Object.assign(figures, { [`${name}: mean coverage`]: mean, [`${name}: least coverage`]: least });
  rows.push([name, 'all', 'all', `${shown(mean)}, least ${shown(least)}`, '', '']);
}

function intervals(figures, rows) {
  for (const [kind, draw] of Object.entries(kinds)) {
    const cells = [];
    for (const n of sizes) {
      for (const mean of means) {
        const rng = draws(`${kind}/${n}/${mean}`);
        const hits = [0, 0, 0];
        for (let run = 0; run < runs; run++) {
          const scores = Array.from({ length: n }, () => draw(mean, rng));
          const { percentile, bca } = bootstrap(scores, rng, 200);
          for (const [i, interval] of [scoreInterval(scores), percentile, bca].entries())
            if (covers(interval, mean)) hits[i]++;
        }
        cells.push(share(hits[0]));
        figures[`${kind} n ${n} mean ${mean}`] = share(hits[0]);
        rows.push([kind, n, mean, ...hits.map((hit) => shown(share(hit)))]);
      }
    }
    concludes(figures, rows, kind, cells);
  }
}

/** Half of the rows keep their score; the others are drawn anew, as good as before or with half of what is wrong mended. */
function pairs(figures, rows) {
  for (const [kind, draw] of Object.entries(kinds)) {
    const cells = [];
    for (const n of sizes) {
      for (const mean of means) {
        for (const gain of [0, (1 - mean) / 2]) {
          const rng = draws(`pairs/${kind}/${n}/${mean}/${gain}`);
          let hits = 0;
          let claims = 0;
          for (let run = 0; run < runs; run++) {
            const before = Array.from({ length: n }, () => draw(mean, rng));
            const after = before.map((score) => (rng.next() < 0.5 ? score : draw(mean + gain, rng)));
            const { difference, chance } = pairedDifference(before, after, 399);
            if (covers(difference, gain / 2)) hits++;
            if (chance <= 0.05 && difference.mean > 0) claims++;
          }
          cells.push(share(hits));
          const name = `gain of ${kind} n ${n} from ${mean} by ${(gain / 2).toFixed(3)}`;
          figures[name] = share(hits);
          if (gain === 0) figures[`${name}: claimed`] = share(claims);
          rows.push([
            `gain of ${kind}`,
            n,
            `${mean} + ${(gain / 2).toFixed(3)}`,
            shown(share(hits)),
            '',
            `claimed ${shown(share(claims))}`,
          ]);
        }
      }
    }
    concludes(figures, rows, `gain of ${kind}`, cells);
  }
}

/** A baseline and 20 candidates, none better; half of a candidate's rows have the baseline's score. */
function selection(figures, rows) {
  for (const kind of ['right or wrong', 'graded']) {
    for (const n of sizes) {
      for (const mean of means) {
        const rng = draws(`selection/${kind}/${n}/${mean}`);
        const claims = { 'best-mean': 0, significant: 0 };
        const optimism = { plain: [], corrected: [] };
        for (let run = 0; run < runs; run++) {
          const baseline = Array.from({ length: n }, () => kinds[kind](mean, rng));
          const candidates = Array.from({ length: tried }, () =>
            baseline.map((score) => (rng.next() < 0.5 ? score : kinds[kind](mean, rng))),
          );
          const best = candidates.reduce((a, b) => (meanOf(b) > meanOf(a) ? b : a));
          const isAhead = meanOf(best) > meanOf(baseline);
          if (isAhead) claims['best-mean']++;
          if (isAhead && chanceAmongMany(baseline, best, candidates, 399) <= 0.05) claims.significant++;
          optimism.plain.push(Math.max(meanOf(best), meanOf(baseline)) - mean);
          if (run < 200) optimism.corrected.push(winnerScore([baseline, ...candidates], 200).mean - mean);
        }
        const [plain, corrected] = [100 * meanOf(optimism.plain), 100 * meanOf(optimism.corrected)];
        const name = `no gain, ${kind} n ${n} mean ${mean}`;
        Object.assign(figures, {
          [`${name}: significant claims`]: share(claims.significant),
          [`${name}: best-mean claims`]: share(claims['best-mean']),
          [`${name}: optimism`]: plain,
          [`${name}: optimism left`]: corrected,
        });
        rows.push([
          `no gain, ${kind}`,
          n,
          mean,
          `claimed ${shown(share(claims.significant))}`,
          `best-mean claims ${shown(share(claims['best-mean']))}`,
          `too good by ${plain.toFixed(2)}, corrected ${corrected.toFixed(2)}`,
        ]);
      }
    }
  }
}
