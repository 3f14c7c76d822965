import type { Signature } from '../../core/signature.ts';
import { type ProposalRequest, proposalStyle } from '../proposals.ts';
import { taskText } from '../task-text.ts';

/** Instructions that were tried, and what they scored. */
interface Tried {
  readonly instructions: string;
  readonly score: number;
}

interface Wish {
  readonly signature: Signature;
  /** The instructions to improve on. */
  readonly current: string;
  readonly tried: readonly Tried[];
  /** Attempts shown at most. */
  readonly breadth: number;
  readonly temperature: number;
  readonly seed: number;
}

/** Asks for other instructions for the task; once some were tried, for better ones than these. */
export function proposalRequest({ signature, current, tried, breadth, temperature, seed }: Wish): ProposalRequest {
  return {
    styles: tried.length > 0 ? laterStyles : firstStyles,
    inputs: {
      task: taskText(signature),
      currentInstructions: current,
      attempts: attemptsText(tried, breadth),
      bestAttempts: attemptsText(tried, fewAttempts),
    },
    parent: current,
    temperature,
    seed,
  };
}

/** So many attempts are shown where more of them are too long for the prompt model's context. */
const fewAttempts = 3;

/** The best attempts in ascending order: what stands last weighs most with a small model. */
const attemptsText = (tried: readonly Tried[], most: number): string =>
  tried
    .toSorted((a, b) => b.score - a.score)
    .slice(0, most)
    .toReversed()
    .map(({ instructions, score }) => `Instructions: ${instructions}\nScore: ${score.toFixed(2)}`)
    .join('\n\n');

const fromTask = proposalStyle(
  'task',
  'Tell a language model in one or two sentences what to do in this task, and how to tell the possible answers apart.',
  ['task'],
);

const firstStyles = [
  proposalStyle(
    'rewrite',
    'Write new instructions with which a language model does this task better than with the current ones. Be inventive: say it another way, add what helps.',
    ['task', 'currentInstructions'],
  ),
  fromTask,
];

const laterStyles = [
  proposalStyle(
    'attempts',
    'Several instructions for this task were tried. Each stands before its score, from 0 to 1; the best one is last. Write new instructions that will score more than all of them.',
    ['task', 'attempts'],
  ),
  proposalStyle(
    'best-attempts',
    'These instructions worked best so far, with scores from 0 to 1. Write other instructions for the same task that work even better.',
    ['task', 'bestAttempts'],
  ),
  fromTask,
];
