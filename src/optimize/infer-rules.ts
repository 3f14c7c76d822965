import { z } from 'zod';
import { type Candidate, candidateId, predictorState, withPredictor } from '../core/candidate.ts';
import type { Example } from '../core/example.ts';
import type { Metric } from '../core/metric.ts';
import type { OptimizerContext } from '../core/optimizer.ts';
import type { Signature } from '../core/signature.ts';
import { bootstrapParameters, bootstrapped, expectedAttempts } from './bootstrap-few-shot.ts';
import { type Contest, createContest, type Entry, judgedRows } from './contest.ts';
import { defineOptimizer } from './define.ts';
import { stopLosers } from './judge.ts';
import { bestOf } from './keep-start.ts';
import { leakGuardMode } from './leak-guard.ts';
import { racing } from './race.ts';
import { createRuleInduction, type RuleInduction, type RuleSource } from './rules.ts';
import { fieldLines } from './task-text.ts';
import { teachingOf } from './teaching.ts';

const parameters = bootstrapParameters.extend({
  /** Sets of rules that are tried. */
  numCandidates: z.int().positive().default(10),
  /** Rules for each predictor at most. */
  numRules: z.int().positive().default(10),
  leakGuard: leakGuardMode,
  stopLosers,
  racing,
});

type Settings = z.output<typeof parameters>;

/** Rules by predictor. */
type RuleSet = ReadonlyMap<string, readonly string[]>;

interface Tried {
  readonly rules: RuleSet;
  readonly entry: Entry;
}

/**
 * Rules that the prompt model finds in labelled train examples, appended to the instructions (DSPy's InferRules). The start and the start
 * with bootstrapped demos are judged first, and the better of them gets the rules: DSPy compares sets of rules with each other only, all on
 * top of the demos. Judged on val; without one on a random half of train, from which then nothing is learned. Ties go to the earlier.
 */
export const inferRules = defineOptimizer({
  name: 'inferRules',
  kind: 'prompt',
  parameters,
  expectedCalls({ numCandidates, maxRounds }, { train, val, predictors }) {
    const learned = val > 0 ? train : Math.floor(train / 2);
    const judged = (numCandidates + 2) * (val || train - learned);
    return predictors * (judged + numCandidates + maxRounds * expectedAttempts(learned));
  },
  async optimize(settings, parent, given, metric) {
    const { context, rows } = divided(given);
    const contest = createContest(context, parent, { ...settings, ...rows, metric });
    // The guard knows all rows, those that are judged on too.
    const induction = createRuleInduction(given, settings);
    const isPossible = context.train.length > 0 && rows.examples.length > 0;
    const tried = isPossible ? await search({ settings, context, contest, induction, metric }, parent) : [];
    const details = {
      judgedOn: given.val.length > 0 ? 'val' : 'half of train',
      candidates: tried.map(triedJson),
      rules: { ...induction.counts() },
    };
    return { ...bestOf(contest, parent, context), details };
  },
});

/** What may be learned from, as the context's train rows, and what is judged on. */
function divided(context: OptimizerContext) {
  if (context.val.length > 0) return { context, rows: judgedRows(context) };
  const shuffled = context.rng.fork('split').shuffle(context.train);
  const middle = Math.floor(shuffled.length / 2);
  // The start may have demos from either half.
  const rows = { examples: shuffled.slice(middle), leaveOneOut: true };
  return { context: { ...context, train: shuffled.slice(0, middle) }, rows };
}

interface Work {
  readonly settings: Settings;
  readonly context: OptimizerContext;
  readonly contest: Contest;
  readonly induction: RuleInduction;
  readonly metric: Metric | undefined;
}

async function search(work: Work, start: Candidate): Promise<readonly Tried[]> {
  const { context, contest } = work;
  if (!(await contest.enter(start, null, 'start')) || contest.isDecided()) return [];
  const shown = await demonstrated(work, start);
  if (shown === null) return [];
  await contest.enter(shown, start, 'bootstrapped demos');
  if (contest.isDecided()) return [];
  // `!`: the start was judged.
  const base = contest.best()!.candidate;
  const tried: Tried[] = [];
  for (const rules of await ruleSets(work, ruleSources(base, shown, context))) {
    const entry = await contest.enter(withRules(base, rules), base, `rules ${tried.length + 1}`);
    if (entry) tried.push({ rules, entry });
  }
  return tried;
}

/** The start with bootstrapped demos, or null where the budget has no calls left for them and for judging them. */
async function demonstrated({ settings, context, contest, metric }: Work, start: Candidate): Promise<Candidate | null> {
  const teachers = Math.max(1, context.teachers.length);
  const callsOfRow = Object.keys(context.structure.predictors).length * settings.maxRounds * teachers;
  if (!contest.affords(1, callsOfRow)) return null;
  const rows = Math.floor((context.callsLeft() - contest.callsEach) / callsOfRow);
  const affordable = { ...context, train: context.train.slice(0, rows) };
  return bootstrapped(start, settings, affordable, teachingOf(start, settings, affordable, metric));
}

type RuleSources = ReadonlyMap<string, Omit<RuleSource, 'seed'>>;

/** For each predictor the train examples as far as they hold its fields; where labels do not reach it, what it was shown. */
function ruleSources(base: Candidate, shown: Candidate, context: OptimizerContext): RuleSources {
  const sources = new Map<string, Omit<RuleSource, 'seed'>>();
  for (const [name, signature] of Object.entries(context.structure.predictors)) {
    const labelled = context.train.map((example) => exampleText(signature, example));
    const demos = predictorState(shown, name).demos.map(({ inputs, outputs }) =>
      exampleText(signature, { inputs, labels: outputs }),
    );
    const [examples] = [labelled, demos].map((texts) => texts.filter((text) => text !== null)).filter(isNotEmpty);
    if (examples) sources.set(name, { signature, instructions: predictorState(base, name).instructions, examples });
    else
      context.notice({
        code: 'no-labelled-examples',
        message: `No train example holds an input and an output of the predictor "${name}": it gets no rules.`,
      });
  }
  return sources;
}

const isNotEmpty = (texts: readonly string[]): boolean => texts.length > 0;

/** What the example says of this predictor, or null when it lacks all of its inputs or all of its outputs. */
function exampleText({ inputFields, outputFields }: Signature, { inputs, labels }: Omit<Example, 'id'>): string | null {
  const [given, answered] = [fieldLines(inputFields, { ...labels, ...inputs }), fieldLines(outputFields, labels)];
  return given === '' || answered === '' ? null : `${given}\n${answered}`;
}

/** All questions are asked before anything is judged, so that prompt model and student alternate rarely. */
async function ruleSets({ settings, context, contest, induction }: Work, sources: RuleSources): Promise<RuleSet[]> {
  const sets: RuleSet[] = [];
  for (let index = 0; index < settings.numCandidates && !induction.isUnable(); index++) {
    if (sources.size === 0 || !contest.affords(sets.length + 1, sources.size)) break;
    const rules = new Map<string, readonly string[]>();
    for (const [name, source] of sources) {
      const rng = context.rng.fork(`rules/${name}/${index}`);
      // Where not all of them fit the context, each set of rules comes from other ones.
      const examples = rng.fork('examples').shuffle(source.examples);
      const found = await induction.induce({ ...source, examples, seed: rng.fork('seed').int(seeds) });
      if (found.length > 0) rules.set(name, found);
    }
    if (rules.size > 0) sets.push(rules);
  }
  return sets;
}

const seeds = 2 ** 24;

function withRules(base: Candidate, rules: RuleSet): Candidate {
  let candidate = base;
  for (const [name, found] of rules) {
    const { instructions } = predictorState(base, name);
    const lines = found.map((rule) => `- ${rule}`).join('\n');
    candidate = withPredictor(candidate, name, { instructions: `${instructions}\n\nFollow these rules:\n${lines}` });
  }
  return candidate;
}

/** `score` is the mean over `rows`: fewer than all of them where the rules could no longer win. */
const triedJson = ({ rules, entry: { candidate, mean, rows } }: Tried) => ({
  candidate: candidateId(candidate),
  rules: Object.fromEntries([...rules].map(([name, found]) => [name, [...found]])),
  score: mean,
  rows,
});
