/** The last lines that llama.cpp logged, for error messages: its exceptions say that something failed, its log says what. */
export interface LogLines {
  add(text: string): void;
  /** The first group of the pattern in the first line that ever matched it. */
  find(pattern: RegExp): string | undefined;
  /** The lines for the end of a message; empty when there are none. */
  quoted(): string;
}

export function createLogLines(limit = 50): LogLines {
  const lines: string[] = [];
  // The lines of start-up name the backend and would be pushed out by the model's.
  const firsts: string[] = [];
  return {
    add(text) {
      const added = text.split('\n').filter((line) => line.trim() !== '');
      firsts.push(...added.slice(0, Math.max(0, limit - firsts.length)));
      lines.push(...added);
      lines.splice(0, Math.max(0, lines.length - limit));
    },
    find(pattern) {
      return firsts.map((line) => pattern.exec(line)?.[1]).find((found) => found !== undefined);
    },
    quoted: () => (lines.length === 0 ? '' : `\nLast log lines:\n${lines.map((line) => `  ${line}`).join('\n')}`),
  };
}
