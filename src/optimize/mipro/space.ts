import {
  type Candidate,
  type ChatFormatName,
  candidateId,
  type Demo,
  mapPredictors,
  predictorState,
} from '../../core/candidate.ts';
import { formatMistakes } from '../../core/chat-format.ts';
import { InputError } from '../../core/errors.ts';
import { contentId, type Json } from '../../core/json.ts';
import type { OptimizerContext } from '../../core/optimizer.ts';
import type { Structure } from '../../core/program.ts';
import { rulesToTry, withChoiceRule } from '../calibrate.ts';
import { withDemos } from '../demos.ts';
import type { Combination } from '../tpe.ts';
import type { DemoSet } from './demo-sets.ts';
import { isZeroShot, type MiproSettings } from './settings.ts';

/** All that the search may combine: one chat format and choice rule, and for each predictor an instruction and a demo set. */
export interface Space {
  /** How many options each variable has. */
  readonly sizes: readonly number[];
  /** The combination that is the start itself; null when its chat format or choice rule is not among the wanted ones. */
  readonly start: Combination | null;
  /** Whether building it asks some train rows first. */
  isCalibrated(combination: Combination): boolean;
  build(combination: Combination): Promise<Candidate>;
  /** What was chosen, in words, such as `instruction 2, demos 0`: number 0 is the start's own. */
  note(combination: Combination): string;
}

interface Ingredients {
  readonly start: Candidate;
  readonly settings: MiproSettings;
  /** New ones, by predictor. */
  readonly instructions: { readonly [predictor: string]: readonly string[] };
  readonly demoSets: readonly DemoSet[];
}

/** Equal options are one: nothing is tried twice under two names. */
export async function searchSpace(context: OptimizerContext, ingredients: Ingredients): Promise<Space> {
  const { start, settings } = ingredients;
  const formats = [...new Set(settings.chatFormats ?? [null])];
  const rules = [...new Set(rulesToTry(settings.choiceRules, start))];
  const predictors = Object.keys(start.predictors).map((name) => promptOptions(name, ingredients));
  const sizes = [
    formats.length,
    rules.length,
    ...predictors.flatMap(({ instructions, demos }) => [instructions.length, demos.length]),
  ];
  const startFormat = formats.findIndex((format) => isSame(start, inFormat(start, format, context.structure)));
  const startRule = await ruleOf(start, rules, context);
  return {
    sizes,
    start:
      startFormat === -1 || startRule === -1 ? null : [startFormat, startRule, ...predictors.flatMap(() => [0, 0])],
    isCalibrated: ([, rule]) => rules[rule!] === 'calibrated',
    async build([format, rule, ...choices]) {
      const chosen = new Map(
        predictors.map(({ name, instructions, demos }, index) => [
          name,
          { instructions: instructions[choices[2 * index]!]!, demos: demos[choices[2 * index + 1]!]! },
        ]),
      );
      const prompted = mapPredictors(start, (state, name) => ({ ...state, ...chosen.get(name) }));
      const laidOut = inFormat(prompted, formats[format!]!, context.structure);
      // Demos were made to fit the start's format; another one may need more tokens for them.
      const fitting = isSame(prompted, laidOut) ? laidOut : await refitted(laidOut, settings.maxDemoTokens, context);
      return withChoiceRule(fitting, rules[rule!]!, context);
    },
    note([format, rule, ...choices]) {
      const prompts = predictors.flatMap(({ name, instructions, demos }, index) => {
        const prefix = predictors.length > 1 ? `${name} ` : '';
        return [
          ...(instructions.length > 1 ? [`${prefix}instruction ${choices[2 * index]}`] : []),
          ...(demos.length > 1 ? [`${prefix}demos ${choices[2 * index + 1]}`] : []),
        ];
      });
      const shared = [...(formats.length > 1 ? [formats[format!]] : []), ...(rules.length > 1 ? [rules[rule!]] : [])];
      return [...prompts, ...shared].join(', ') || 'start';
    },
  };
}

interface PromptOptions {
  readonly name: string;
  readonly instructions: readonly string[];
  readonly demos: readonly (readonly Demo[])[];
}

/** A predictor's instructions and demo sets, the start's own first. */
function promptOptions(name: string, { start, settings, instructions, demoSets }: Ingredients): PromptOptions {
  const own = predictorState(start, name);
  const sets = isZeroShot(settings) ? [] : demoSets.map((set) => set[name] ?? []);
  return {
    name,
    instructions: [...new Set([own.instructions, ...(instructions[name] ?? [])])],
    demos: differentSets([own.demos, ...sets]),
  };
}

function differentSets(sets: readonly (readonly Demo[])[]): (readonly Demo[])[] {
  // `as`: demos are JSON all through.
  const ids = sets.map((demos) => contentId(demos as unknown as Json));
  return sets.filter((_, index) => ids.indexOf(ids[index]!) === index);
}

/** Predictors whose answers cannot be laid out this way stay as they are. */
function inFormat(candidate: Candidate, format: ChatFormatName | null, { predictors }: Structure): Candidate {
  if (format === null) return candidate;
  return mapPredictors(candidate, (state, name) => {
    const changed = { ...state, chatFormat: format };
    return formatMistakes(predictors[name]!, changed).length === 0 ? changed : state;
  });
}

/** Throws an InputError that names the wanted chat formats which no predictor can use. */
export function requireUsableFormats(
  start: Candidate,
  { chatFormats }: MiproSettings,
  { predictors }: Structure,
): void {
  const mistakes = (chatFormats ?? []).flatMap((chatFormat) => {
    const all = Object.entries(start.predictors).map(([name, state]) =>
      formatMistakes(predictors[name]!, { ...state, chatFormat }),
    );
    return all.every((found) => found.length > 0) ? [...new Set(all.flat())] : [];
  });
  if (mistakes.length > 0) throw new InputError('chat-format-unusable', mistakes, 'Leave these out of chatFormats.');
}

const isSame = (a: Candidate, b: Candidate): boolean => candidateId(a) === candidateId(b);

const refitted = (candidate: Candidate, maxDemoTokens: number | null, context: OptimizerContext): Promise<Candidate> =>
  withDemos(
    candidate,
    new Map(Object.entries(candidate.predictors).map(([name, { demos }]) => [name, demos])),
    maxDemoTokens,
    context,
  );

/** Which of the rules is the start's own; -1 when none is. */
async function ruleOf(
  start: Candidate,
  rules: ReturnType<typeof rulesToTry>,
  context: OptimizerContext,
): Promise<number> {
  const isCalibrated = Object.values(start.predictors).some(({ choice }) => typeof choice === 'object');
  for (const [index, rule] of rules.entries()) {
    if (rule === 'calibrated' ? isCalibrated : isSame(start, await withChoiceRule(start, rule, context))) return index;
  }
  return -1;
}
