import { diffLines, diffWordsWithSpace } from 'diff';

/** A stretch of text that is the same, new, or gone. */
export interface DiffPart {
  readonly kind: 'same' | 'added' | 'removed';
  readonly text: string;
}

const kindOf = ({ added, removed }: { readonly added?: boolean; readonly removed?: boolean }): DiffPart['kind'] =>
  added ? 'added' : removed ? 'removed' : 'same';

/** What became of a prompt: by lines, and by words where lines took the place of others. */
export function promptDiff(before: string, after: string): readonly DiffPart[] {
  const lines = diffLines(before, after).map((part): DiffPart => ({ kind: kindOf(part), text: part.value }));
  return lines.flatMap((part, index) => {
    const next = lines[index + 1];
    if (part.kind === 'removed' && next?.kind === 'added') return words(part.text, next.text);
    return part.kind === 'added' && lines[index - 1]?.kind === 'removed' ? [] : [part];
  });
}

const words = (before: string, after: string): readonly DiffPart[] =>
  diffWordsWithSpace(before, after).map((part) => ({ kind: kindOf(part), text: part.value }));
