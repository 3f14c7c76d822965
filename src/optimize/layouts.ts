import { z } from 'zod';
import {
  type Candidate,
  type ChatFormatName,
  candidateId,
  mapPredictors,
  type PredictorState,
} from '../core/candidate.ts';
import { formatMistakes } from '../core/chat-format.ts';
import { InputError } from '../core/errors.ts';
import type { OptimizerContext } from '../core/optimizer.ts';
import type { Structure } from '../core/program.ts';
import { withDemos } from './demos.ts';

/** A way to lay out a prompt, with the same words and demos. */
export type Layout =
  | { readonly chatFormat: ChatFormatName }
  | { readonly labelList: 'shown' | 'omitted' }
  | { readonly demoOrder: 'reversed' };

const chatFormatName = z.enum(['json', 'value', 'lines', 'markers'] satisfies ChatFormatName[]);

/** What a search may try beside words and demos. null: what this optimizer usually tries; an empty list: as the program has it. */
export const layoutParameters = z.object({
  /** How calls are laid out. */
  chatFormats: z.array(chatFormatName, 'A list is wanted, such as ["json", "value"].').nullable().default(null),
  /** Whether the prompt names the labels of a closed choice. */
  labelLists: z
    .array(z.enum(['shown', 'omitted']), 'A list is wanted, such as ["shown", "omitted"].')
    .nullable()
    .default(null),
  /** The order of the demos: as they were chosen, or the other way round. */
  demoOrders: z
    .array(z.enum(['chosen', 'reversed']), 'A list is wanted, such as ["chosen", "reversed"].')
    .nullable()
    .default(null),
});

export type LayoutSettings = z.output<typeof layoutParameters>;

/** The candidate laid out in this way, with the demos that fit then. Predictors that cannot be laid out so stay as they are. */
export async function inLayout(
  candidate: Candidate,
  layout: Layout,
  maxDemoTokens: number | null,
  context: OptimizerContext,
): Promise<Candidate> {
  const changed = mapPredictors(candidate, (state, name) => {
    const other = laidOut(state, layout);
    return formatMistakes(context.structure.predictors[name]!, other).length === 0 ? other : state;
  });
  if (candidateId(changed) === candidateId(candidate)) return candidate;
  // Demos were chosen to fit as they were laid out; another format may need more tokens for them.
  const demos = new Map(Object.entries(changed.predictors).map(([name, state]) => [name, state.demos]));
  return 'chatFormat' in layout ? withDemos(changed, demos, maxDemoTokens, context) : changed;
}

function laidOut(state: PredictorState, layout: Layout): PredictorState {
  if ('chatFormat' in layout) return { ...state, chatFormat: layout.chatFormat };
  // Demos that are chosen by likeness stand in the order of that.
  if ('demoOrder' in layout) return state.nearest ? state : { ...state, demos: state.demos.toReversed() };
  const { labelList: _, ...others } = state;
  return layout.labelList === 'shown' ? others : { ...others, labelList: 'omitted' };
}

/** Throws an InputError that names the wanted chat formats which no predictor can use. */
export function requireUsableFormats(
  start: Candidate,
  { chatFormats }: Pick<LayoutSettings, 'chatFormats'>,
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
