import type { Prompt } from '../../src/core/lm.ts';
import { drawOf, uniform } from './laboratory-luck.ts';
import { type Kind, kindIn, type Label, neighbour } from './laboratory-task.ts';
import type { Script } from './scripted-model.ts';

/** What makes the student better: clues in its instructions, demos of the kind it is asked about, both, or nothing at all. */
export type Helps = 'instructions' | 'demos' | 'both' | 'nothing';

/** How often the student is right on a kind that it knows nothing about. */
const unaided = 0.3;

/** What it adds that the instructions name the kind's clue, and that the demos show the kind. */
const gains: Readonly<Record<Helps, { readonly told: number; readonly shown: number }>> = {
  instructions: { told: 0.6, shown: 0 },
  demos: { told: 0, shown: 0.6 },
  both: { told: 0.3, shown: 0.3 },
  nothing: { told: 0, shown: 0 },
};

/** How often the student is right on tickets of a kind, with this prompt: exact, and all that there is to know about its skill. */
export function chanceOf(helps: Helps, kind: Kind, label: Label, { system, turns }: Omit<Prompt, 'user'>): number {
  const { told, shown } = gains[helps];
  // Demos with a right label vote for knowing the kind, demos with a wrong one against it.
  const votes = turns
    .filter(({ user }) => kindIn(user) === kind)
    .reduce((sum, { assistant }) => sum + (assistant.includes(kind[label]) ? 1 : -1), 0);
  const chance = unaided + (system.includes(kind.clue) ? told : 0) + Math.sign(votes) * shown;
  return Math.max(0, chance);
}

/**
 * A student of known skill, a pure function of the request. Each question is as hard as its text says, so that a better prompt is right on
 * all that a worse one is right on; above temperature 0 the seed has a say too. Wrong is always the next label.
 */
export const studentScript =
  (helps: Helps): Script =>
  ({ prompt, answer, sampling }) => {
    const options = answer?.flatMap((part) => (part.type === 'choice' ? part.options : [])) ?? [];
    const kind = kindIn(prompt.user);
    if (!kind) throw new TypeError(`The student was asked about no ticket: ${prompt.user}`);
    const label: Label = options.some((option) => option.includes(kind.team)) ? 'team' : 'topic';
    const luck = uniform(prompt.user, label, drawOf(sampling));
    const said = luck < chanceOf(helps, kind, label, prompt) ? kind : neighbour(kind, 1);
    return [options.find((option) => option.includes(said[label]))!];
  };
