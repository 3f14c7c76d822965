import { z } from 'zod';
import { type Candidate, candidateId, predictorState, withPredictor } from '../../core/candidate.ts';
import type { OptimizerContext } from '../../core/optimizer.ts';
import { type Contest, createContest, type Entry, judgedRows } from '../contest.ts';
import { defineOptimizer } from '../define.ts';
import { stopLosers } from '../judge.ts';
import { bestOf, keepStart } from '../keep-start.ts';
import { leakGuardMode } from '../leak-guard.ts';
import { createProposer } from '../proposals.ts';
import { racing } from '../race.ts';
import { proposalRequest } from './proposals.ts';

const parameters = z.object({
  /** Instructions for each predictor at each depth; at the first depth its own are among them. */
  breadth: z.int().min(2).default(10),
  /** Rounds of proposals; from the second on the prompt model sees what was tried and what it scored. */
  depth: z.int().positive().default(3),
  initTemperature: z.number().min(0).max(2).default(1.4),
  leakGuard: leakGuardMode,
  /** True: the start is judged first and wins ties. False, as in DSPy: it is judged after the first proposals and loses ties to them. */
  keepStart,
  stopLosers,
  racing,
});

type Settings = z.output<typeof parameters>;

/**
 * Coordinate ascent over the predictors' instructions (DSPy's COPRO, without the output prefix, which no chat format has). Candidates are
 * judged on val; without one on train, where DSPy always judges. New instructions stay when the whole program scores more with them, so
 * nothing has to be judged again after another predictor changed.
 */
export const copro = defineOptimizer({
  name: 'copro',
  kind: 'prompt',
  parameters,
  expectedCalls({ breadth, depth }, { train, val, predictors }) {
    const proposals = predictors * (breadth * depth - 1);
    return proposals + (1 + proposals) * (val || train) * predictors;
  },
  async optimize(settings, parent, context, metric) {
    const rows = judgedRows(context);
    const contest = createContest(context, parent, { ...settings, ...rows, metric });
    const ascent = createAscent(settings, parent, context, contest);
    for (let depth = 1; depth <= settings.depth && rows.examples.length > 0 && !ascent.isOver(); depth++)
      await ascent.judge(depth, await ascent.propose(depth));
    return { ...bestOf(contest, parent, context), details: ascent.details() };
  },
});

/** Instructions that were tried for a predictor; depth 0 is its start. */
interface Attempt {
  readonly instructions: string;
  readonly depth: number;
  readonly entry: Entry;
}

type Proposals = ReadonlyMap<string, readonly string[]>;

function createAscent(settings: Settings, start: Candidate, context: OptimizerContext, contest: Contest) {
  const { breadth, initTemperature: temperature, leakGuard } = settings;
  const { predictors } = context.structure;
  const proposer = createProposer(context, { leakGuard });
  const attempts = new Map(Object.keys(predictors).map((name): [string, Attempt[]] => [name, []]));
  let repeated = 0;
  let isBudgetOver = false;

  const current = (): Candidate => contest.best()?.candidate ?? start;

  /** New instructions for one predictor, each of them once, while `pending` other candidates are still to be judged. */
  async function proposalsFor(name: string, depth: number, pending: number): Promise<string[]> {
    const earlier = attempts.get(name)!;
    const known = new Set(earlier.map(({ instructions }) => instructions));
    const found = new Set<string>();
    const tried = earlier.map(({ instructions, entry }) => ({ instructions, score: entry.mean ?? 0 }));
    const wish = { signature: predictors[name]!, current: predictorState(current(), name).instructions, tried };
    for (let index = 0; index < (depth === 1 ? breadth - 1 : breadth) && !proposer.isUnable(); index++) {
      const seed = context.rng.fork(`proposal/${name}/${depth}/${index}`).int(seeds);
      const request = proposalRequest({ ...wish, breadth, temperature, seed });
      isBudgetOver = !contest.affords(pending + found.size + 1, request.styles.length);
      if (isBudgetOver) break;
      const instructions = await proposer.propose(request);
      if (instructions === null) continue;
      if (known.has(instructions) || found.has(instructions)) repeated++;
      else found.add(instructions);
    }
    return [...found];
  }

  /** The whole program so far with these instructions. */
  async function attempt(name: string, instructions: string, depth: number): Promise<void> {
    const base = current();
    const candidate = withPredictor(base, name, { instructions });
    const entry =
      depth === 0
        ? await contest.enter(candidate, null, 'start')
        : await contest.enter(candidate, base, `${name}: instructions of depth ${depth}`);
    if (entry) attempts.get(name)!.push({ instructions, depth, entry });
  }

  // Of the later predictors that is the best program so far: the contest knows it, and judges it once.
  const attemptStart = (name: string) => attempt(name, predictorState(start, name).instructions, 0);

  return {
    isOver: () => isBudgetOver || proposer.isUnable() || contest.isDecided(),

    /** All questions of a depth are asked before anything is judged, so that prompt model and student alternate rarely. */
    async propose(depth: number): Promise<Proposals> {
      const proposals = new Map<string, readonly string[]>();
      let pending = contest.best() === null ? 1 : 0;
      for (const name of attempts.keys()) {
        if (isBudgetOver) break;
        const found = await proposalsFor(name, depth, pending);
        if (found.length > 0) proposals.set(name, found);
        pending += found.length;
      }
      return proposals;
    },

    async judge(depth: number, proposals: Proposals): Promise<void> {
      // Only now: a prompt model that proposes nothing costs no call of the student.
      const isFirst = contest.best() === null && proposals.size > 0;
      if (isFirst && settings.keepStart) for (const name of attempts.keys()) await attemptStart(name);
      for (const [name, found] of proposals) {
        for (const instructions of found) await attempt(name, instructions, depth);
        if (isFirst && !settings.keepStart) await attemptStart(name);
      }
    },

    details: () => ({
      judgedOn: context.val.length > 0 ? 'val' : 'train',
      attempts: Object.fromEntries([...attempts].map(([name, tried]) => [name, tried.map(attemptJson)])),
      proposals: { ...proposer.counts(), repeated },
    }),
  };
}

/** `score` is the mean over `rows`: fewer than all of them where the attempt could no longer win. */
const attemptJson = ({ depth, entry: { candidate, mean, rows } }: Attempt) => ({
  depth,
  candidate: candidateId(candidate),
  score: mean,
  rows,
});

// Times the proposer's own tries, a seed still fits into 32 bits.
const seeds = 2 ** 24;
