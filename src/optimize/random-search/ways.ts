import { type Candidate, candidateId } from '../../core/candidate.ts';
import { InputError } from '../../core/errors.ts';
import type { OptimizerContext } from '../../core/optimizer.ts';
import { withoutDemos } from '../bootstrap-few-shot.ts';
import { canBeCalibrated, rulesToTry } from '../calibrate.ts';
import type { RandomSearchSettings } from './parameters.ts';

/** Candidates that are not drawn, by their numbers. DSPy has no names for the start itself and for the best so far. */
export const candidateNumbers = { best: -5, start: -4, withoutDemos: -3, labelled: -2, inTrainOrder: -1 } as const;

export interface Way {
  readonly number: number;
  readonly rule: ReturnType<typeof rulesToTry>[number];
  /** Whether the rule is worth a word in the note. */
  readonly isNamed: boolean;
}

/** Who is tried in which choice rule, in order; the start itself first where no other would be it. */
export function waysOf(settings: RandomSearchSettings, parent: Candidate, context: OptimizerContext): Way[] {
  const own = rulesToTry(settings.choiceRules, parent);
  const isOpen = settings.choiceRules === null && own[0] === null && canBeCalibrated(parent, context);
  const rules = isOpen ? [null, 'calibrated' as const] : own;
  const way = (number: number, rule: Way['rule']): Way => ({
    number,
    rule,
    isNamed: rule !== null && (settings.choiceRules !== null || isOpen),
  });
  const isForAll = settings.choiceRulesFor === 'all';
  const everywhere = isForAll ? rules : rules.slice(0, 1);
  const wanted = numbers(settings);
  const few = [candidateNumbers.best, ...wanted.filter((number) => number === candidateNumbers.withoutDemos)];
  const ways = [
    ...wanted.flatMap((number) => everywhere.map((rule) => way(number, rule))),
    // Without demos too: what demos do to a lean is another thing than what they do to a score.
    ...rules.slice(everywhere.length).flatMap((rule) => few.map((number) => way(number, rule))),
  ];
  const isBare = candidateId(withoutDemos(parent)) === candidateId(parent);
  const keepsRule = rules.some(
    (rule) => rule === null || Object.values(parent.predictors).every(({ choice }) => choice === rule),
  );
  const isThere = isBare && keepsRule && ways.some(({ number }) => number === candidateNumbers.withoutDemos);
  return isThere || settings.restrict ? ways : [way(candidateNumbers.start, null), ...ways];
}

function numbers({ restrict, numCandidatePrograms }: RandomSearchSettings): number[] {
  const all = Array.from({ length: numCandidatePrograms + 3 }, (_, index) => index - 3);
  const chosen = restrict === null ? all : all.filter((number) => restrict.includes(number));
  if (chosen.length > 0) return chosen;
  throw new InputError(
    'restrict-empty',
    [`restrict leaves no candidate: it names ${JSON.stringify(restrict)}.`],
    `Candidates are -3 to ${numCandidatePrograms - 1}.`,
  );
}
