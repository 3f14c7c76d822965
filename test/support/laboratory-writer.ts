import type { AnswerPart, LmResponse } from '../../src/core/lm.ts';
import { drawOf, uniform } from './laboratory-luck.ts';
import { kinds } from './laboratory-task.ts';
import { type ScriptedModel, scriptedModel } from './scripted-model.ts';

/** What a prompt model is like; what is left out is 0. */
export interface Habits {
  /** The chance that a clue which stands in the question gets into the answer. */
  readonly finds: number;
  /** The same for a clue that does not: what comes to a model's mind without seeing a row. */
  readonly guesses?: number;
  /** Shares of answers that say nothing, are blank, or cannot be read. */
  readonly rubbish?: number;
  readonly empty?: number;
  readonly unreadable?: number;
}

const platitudes = [
  'Think about it with great care.',
  'You are the best in the world at this.',
  'Take a deep breath and be exact.',
  'Work step by step, and be brief.',
  'Read everything twice before you say anything.',
];

/** A prompt model of known skill, a pure function of its seed and the request: it names clues, so what it writes is worth what it names. */
export function writer(habits: Habits, seed = 0): ScriptedModel {
  const { finds, guesses = 0, rubbish = 0, empty = 0, unreadable = 0 } = habits;
  return scriptedModel(({ prompt, answer, sampling }) => {
    const chance = (what: string) => uniform(`writer ${seed}`, what, prompt.system, prompt.user, drawOf(sampling));
    const mood = chance('mood');
    if (mood < unreadable) return notReadable;
    const say = (text: string) => (answer ?? []).flatMap((part) => (part.type === 'text' ? [] : [written(part, text)]));
    if (mood < unreadable + empty) return say('  ');
    const platitude = platitudes[Math.floor(chance('platitude') * platitudes.length)]!;
    if (mood < unreadable + empty + rubbish) return say(platitude);
    const named = kinds
      .map(({ clue }) => clue)
      .filter((clue) => chance(clue) < (prompt.user.includes(clue) ? finds : guesses));
    return say(named.length === 0 ? platitude : `${platitude} Look for ${named.join(', ')}.`);
  }, 'writer');
}

const notReadable: LmResponse = {
  failure: { kind: 'parse', message: 'There is nothing to read.' },
  usage: { prompt: 1, cachedPrompt: 0, completion: 1 },
};

/** The text in the form that this part of the answer has. */
function written(part: Exclude<AnswerPart, { type: 'text' }>, text: string): string {
  if (part.type === 'choice') return part.options[0]!;
  const { end, schema } = part;
  switch (end.kind) {
    case 'json-string':
      return JSON.stringify(text).slice(1);
    case 'json':
      return `${schema?.type === 'array' ? JSON.stringify([text]) : '1'}${end.after}`;
    case 'text':
      return text + end.text;
    case 'turn':
      return text;
  }
}
