import type { Candidate } from '../../core/candidate.ts';
import type { OptimizerContext } from '../../core/optimizer.ts';
import type { Rng } from '../../core/rng.ts';
import { createProposer, type ProposalCounts, type ProposalRequest, proposalStyle } from '../proposals.ts';
import { taskText } from '../task-text.ts';
import { withShareOfTheCalls } from './calls.ts';
import { summarizeData } from './data-summary.ts';
import type { DemoSet } from './demo-sets.ts';
import { describe, noDescription, type ProgramDescription } from './program-text.ts';
import type { MiproPlan, MiproSettings } from './settings.ts';

/** New instructions by predictor, and what they were made from. */
export interface Instructions {
  readonly proposed: { readonly [predictor: string]: readonly string[] };
  readonly dataSummary: string | null;
  readonly counts: ProposalCounts;
}

interface Grounds {
  readonly dataSummary: string | null;
  readonly program: ProgramDescription;
  readonly demoSets: readonly DemoSet[];
}

interface InstructionsOrder {
  readonly start: Candidate;
  readonly settings: MiproSettings;
  readonly plan: MiproPlan;
  readonly demoSets: readonly DemoSet[];
}

/**
 * Asks for one instruction less than planned for each predictor, since the current one is among them. A prompt model that gives nothing
 * usable leaves fewer.
 */
export async function proposeInstructions(context: OptimizerContext, order: InstructionsOrder): Promise<Instructions> {
  const { start, settings, demoSets } = order;
  const { instructions } = order.plan;
  const proposer = createProposer(context, { leakGuard: settings.leakGuard });
  // What is asked before must leave calls for the instructions themselves.
  const before = withShareOfTheCalls(context, 1 / 2);
  const grounds = instructions > 1 ? await findGrounds(before, settings, demoSets) : nothingToShow;
  const proposed: { [predictor: string]: readonly string[] } = {};
  for (const predictor of Object.keys(start.predictors)) {
    const texts: string[] = [];
    for (let number = 1; number < instructions; number++) {
      const rng = context.rng.fork(`proposal/${predictor}/${number}`);
      const request = requestFor(context, order, { predictor, number, rng, grounds });
      if (context.callsLeft() < request.styles.length) {
        sayThatProposalsEnd(context, predictor, texts.length);
        break;
      }
      const text = await proposer.propose(request);
      if (text !== null) texts.push(text);
    }
    proposed[predictor] = texts;
  }
  return { proposed, dataSummary: grounds.dataSummary, counts: proposer.counts() };
}

const nothingToShow: Grounds = { dataSummary: null, program: noDescription, demoSets: [] };

async function findGrounds(
  context: OptimizerContext,
  settings: MiproSettings,
  demoSets: readonly DemoSet[],
): Promise<Grounds> {
  const { dataAwareProposer, programAwareProposer, fewshotAwareProposer, viewDataBatchSize, initTemperature } =
    settings;
  return {
    dataSummary: dataAwareProposer ? await summarizeData(context, viewDataBatchSize) : null,
    program: programAwareProposer ? await describe(context, initTemperature) : noDescription,
    demoSets: fewshotAwareProposer ? demoSets : [],
  };
}

const seeds = 2 ** 20;

interface Wanted {
  readonly predictor: string;
  /** From 1: the current instruction is number 0. */
  readonly number: number;
  readonly rng: Rng;
  readonly grounds: Grounds;
}

function requestFor(
  { structure }: OptimizerContext,
  { start, settings }: InstructionsOrder,
  { predictor, number, rng, grounds }: Wanted,
): ProposalRequest {
  const { programAwareProposer, tipAwareProposer, initTemperature } = settings;
  const { dataSummary, program, demoSets } = grounds;
  // `!`: candidates have the predictors of the structure.
  const parent = start.predictors[predictor]!.instructions;
  const tip = tipAwareProposer ? tips[rng.fork('tip').int(tips.length)]! : '';
  const inputs = {
    ...given('data', dataSummary),
    ...given('program', program.purpose),
    ...given('role', program.roles[predictor]),
    ...given('task', programAwareProposer ? taskText(structure.predictors[predictor]!) : null),
    ...given('examples', examplesText(predictor, demoSets.slice(number))),
    ...given('advice', tip),
    currentInstructions: parent,
  };
  return {
    styles: stylesFor(Object.keys(inputs)),
    inputs,
    shortenable: ['examples', 'data', 'program', 'role'],
    parent,
    temperature: initTemperature,
    seed: rng.fork('seed').int(seeds),
  };
}

const given = (name: string, text: string | null | undefined): { readonly [name: string]: string } =>
  text ? { [name]: text } : {};

/** Asked with all that is known, then with the examples alone, then for other words only: a small model may only manage the last. */
function stylesFor(known: readonly string[]) {
  const without = (...names: readonly string[]) => known.filter((name) => !names.includes(name));
  return [
    proposalStyle(
      'grounded',
      'Write better instructions for a step that a language model carries out. Use what is known about it, and follow the advice if there is any. They must hold for any input: say what to do and what decides the answer. Copy no example.',
      known,
    ),
    proposalStyle(
      'examples',
      'These instructions are given to a language model. Write clearer ones that lead to the right answer for any input. Copy no example.',
      without('data', 'program', 'role', 'advice'),
    ),
    proposalStyle('reworded', 'Say these instructions in other words, clearer and more exact.', [
      'currentInstructions',
    ]),
  ];
}

/** Pieces of advice, one of which goes with a question; the first is none. */
const tips = [
  '',
  'Be creative.',
  'Be short and clear.',
  'Be rich in detail.',
  'Name something important that depends on the right answer.',
  'Give the language model a role that fits the task.',
];

/** So many examples are shown with a question. */
const shownExamples = 3;

/** The first different demos of these sets, a line each. */
function examplesText(predictor: string, sets: readonly DemoSet[]): string {
  const demos = sets.flatMap((set) => set[predictor] ?? []);
  const lines = demos.map(({ inputs, outputs }) => `${JSON.stringify(inputs)} -> ${JSON.stringify(outputs)}`);
  return [...new Set(lines)].slice(0, shownExamples).join('\n');
}

function sayThatProposalsEnd(context: OptimizerContext, predictor: string, made: number): void {
  context.notice({
    code: 'budget-ends-proposals',
    message: `The budget has no calls left for further instructions of the predictor "${predictor}": ${made} were proposed.`,
  });
}
