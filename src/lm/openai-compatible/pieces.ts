import { jsonText } from '../../core/chat-layouts.ts';
import type { Fields } from '../../core/json.ts';
import type { AnswerPart, AnswerPlan, ValueEnd } from '../../core/lm.ts';
import { jsonLayout } from './json-layout.ts';

/**
 * An answer's text in the pieces of its plan, or null where it does not follow the plan. A server that only knows JSON schemas, or decodes
 * freely, chooses blanks and the order of members itself: such a text is written in our way first.
 */
export function cutPieces(plan: AnswerPlan, text: string): readonly string[] | null {
  if (plan === null) return [text];
  return cut(plan, text) ?? cut(plan, text.trim()) ?? cut(plan, rewritten(plan, text));
}

function cut(parts: readonly AnswerPart[], text: string): readonly string[] | null {
  const [part, ...rest] = parts;
  if (!part) return text === '' ? [] : null;
  for (const piece of beginnings(part, text)) {
    const others = cut(rest, text.slice(piece.length));
    if (others) return [piece, ...others];
  }
  return null;
}

/** What at the beginning of a text this part can be. Labels may begin alike, so that only the rest decides between them. */
function beginnings(part: AnswerPart, text: string): Iterable<string> {
  if (part.type === 'text') return text.startsWith(part.text) ? [part.text] : [];
  if (part.type === 'choice') return part.options.filter((option) => text.startsWith(option));
  return values(part.end, text);
}

function* values(end: ValueEnd, text: string): Generator<string> {
  switch (end.kind) {
    case 'json-string': {
      const [found] = /^(?:[^"\\]|\\.)*"/s.exec(text) ?? [];
      if (found !== undefined) yield found;
      return;
    }
    case 'json':
      for (let at = text.indexOf(end.after); at >= 0; at = text.indexOf(end.after, at + 1))
        if (parsed(text.slice(0, at)) !== undefined) yield text.slice(0, at + end.after.length);
      return;
    case 'text': {
      const at = text.indexOf(end.text);
      if (at >= 0) yield text.slice(0, at + end.text.length);
      return;
    }
    case 'turn':
      yield text;
  }
}

/** The JSON object in a text, with the plan's own blanks and order of members; the text as it is where there is none. */
function rewritten(plan: readonly AnswerPart[], text: string): string {
  const layout = jsonLayout(plan);
  const object = layout && parsed(text.slice(text.indexOf('{'), text.lastIndexOf('}') + 1));
  if (!layout || typeof object !== 'object' || object === null) return text;
  // `as`: it came out of JSON.parse and begins with a brace.
  const given = object as Fields;
  const members = [...layout.keys()].flatMap((name) => (given[name] === undefined ? [] : [[name, given[name]]]));
  return jsonText(Object.fromEntries(members));
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
