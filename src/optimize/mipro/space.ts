import {
  type Candidate,
  candidateId,
  mapPredictors,
  type PredictorState,
  predictorState,
  showing,
} from '../../core/candidate.ts';
import { contentId, type Json } from '../../core/json.ts';
import type { OptimizerContext } from '../../core/optimizer.ts';
import { rulesToTry, withChoiceRule } from '../calibrate.ts';
import { inLayout, type Layout, type LayoutSettings } from '../layouts.ts';
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
  const layouts = layoutOptions(settings);
  const rules = [...new Set(rulesToTry(settings.choiceRules, start))];
  const predictors = Object.keys(start.predictors).map((name) => promptOptions(name, ingredients));
  const shared = layouts.length + 1;
  const sizes = [
    ...layouts.map(({ length }) => length),
    rules.length,
    ...predictors.flatMap(({ instructions, demos }) => [instructions.length, demos.length]),
  ];
  const laidOut = async (candidate: Candidate, combination: Combination): Promise<Candidate> => {
    let result = candidate;
    for (const [index, options] of layouts.entries()) {
      const layout = options[combination[index]!]!;
      if (layout !== asItIs) result = await inLayout(result, layout, settings.maxDemoTokens, context);
    }
    return result;
  };
  const startOptions: number[] = [];
  for (const options of layouts) startOptions.push(await startOption(start, options, context));
  startOptions.push(await ruleOf(start, rules, context));
  return {
    sizes,
    start: startOptions.includes(-1) ? null : [...startOptions, ...predictors.flatMap(() => [0, 0])],
    isCalibrated: (combination) => rules[combination[shared - 1]!] === 'calibrated',
    async build(combination) {
      const choices = combination.slice(shared);
      const chosen = new Map(
        predictors.map(({ name, instructions, demos }, index) => [
          name,
          { instructions: instructions[choices[2 * index]!]!, ...demos[choices[2 * index + 1]!]! },
        ]),
      );
      const prompted = mapPredictors(start, (state, name) => ({ ...showing(state, []), ...chosen.get(name)! }));
      return withChoiceRule(await laidOut(prompted, combination), rules[combination[shared - 1]!]!, context);
    },
    note(combination) {
      const choices = combination.slice(shared);
      const prompts = predictors.flatMap(({ name, instructions, demos }, index) => {
        const prefix = predictors.length > 1 ? `${name} ` : '';
        return [
          ...(instructions.length > 1 ? [`${prefix}instruction ${choices[2 * index]}`] : []),
          ...(demos.length > 1 ? [`${prefix}demos ${choices[2 * index + 1]}`] : []),
        ];
      });
      const chosen = layouts.flatMap((options, index) =>
        options.length > 1 ? [layoutName(options[combination[index]!]!)] : [],
      );
      const rule = rules.length > 1 ? [rules[combination[shared - 1]!]] : [];
      return [...prompts, ...chosen, ...rule].join(', ') || 'start';
    },
  };
}

/** Stands for the layout that a candidate has already. */
const asItIs = 'as it is';

type LayoutOption = Layout | typeof asItIs;

/** What each of the layout's variables may be. */
function layoutOptions({ chatFormats, labelLists, demoOrders }: LayoutSettings): (readonly LayoutOption[])[] {
  const orders = (demoOrders ?? []).map((order) => (order === 'reversed' ? { demoOrder: order } : asItIs));
  const variables: (readonly LayoutOption[])[] = [
    [...new Set(chatFormats ?? [])].map((chatFormat) => ({ chatFormat })),
    [...new Set(labelLists ?? [])].map((labelList) => ({ labelList })),
    [...new Set(orders)],
  ];
  return variables.map((options) => (options.length === 0 ? [asItIs] : options));
}

function layoutName(layout: LayoutOption): string {
  if (layout === asItIs) return 'demos as chosen';
  if ('chatFormat' in layout) return layout.chatFormat;
  return 'labelList' in layout ? `labels ${layout.labelList}` : 'demos reversed';
}

/** Which of the options is the start's own; -1 when none is. */
async function startOption(
  start: Candidate,
  options: readonly LayoutOption[],
  context: OptimizerContext,
): Promise<number> {
  for (const [index, layout] of options.entries())
    if (layout === asItIs || isSame(start, await inLayout(start, layout, null, context))) return index;
  return -1;
}

interface PromptOptions {
  readonly name: string;
  readonly instructions: readonly string[];
  readonly demos: readonly Shown[];
}

type Shown = Pick<PredictorState, 'demos' | 'nearest'>;

/** A predictor's instructions and demo sets, the start's own first. */
function promptOptions(name: string, { start, settings, instructions, demoSets }: Ingredients): PromptOptions {
  const own = predictorState(start, name);
  const sets = isZeroShot(settings) ? [] : demoSets.map((set) => set[name] ?? []);
  return {
    name,
    instructions: [...new Set([own.instructions, ...(instructions[name] ?? [])])],
    demos: differentSets([shownBy(own), ...sets.map((demos) => ({ demos }))]),
  };
}

const shownBy = ({ demos, nearest }: Shown): Shown => (nearest === undefined ? { demos } : { demos, nearest });

function differentSets(sets: readonly Shown[]): Shown[] {
  // `as`: demos are JSON all through.
  const ids = sets.map((shown) => contentId(shown as unknown as Json));
  return sets.filter((_, index) => ids.indexOf(ids[index]!) === index);
}

const isSame = (a: Candidate, b: Candidate): boolean => candidateId(a) === candidateId(b);

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
