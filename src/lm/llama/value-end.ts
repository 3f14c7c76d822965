import type { ValueEnd } from '../../core/lm.ts';

/** Whether a sampled value is complete with this text. `turn` ends with a token, never with a text. */
export function isComplete(text: string, end: ValueEnd): boolean {
  switch (end.kind) {
    case 'json-string':
      return /^(?:[^"\\]|\\.)*"/s.test(text);
    case 'json':
      return text.endsWith(end.after) && isJson(text.slice(0, text.length - end.after.length));
    case 'text':
      return text.endsWith(end.text);
    case 'turn':
      return false;
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
