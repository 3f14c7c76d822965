import { setTimeout as delay } from 'node:timers/promises';

/** The last lines that llama.cpp logged, for error messages: its exceptions say that something failed, its log says what. */
export interface LogLines {
  add(level: string, text: string): void;
  /** The first group of the pattern in the first line that matches it. */
  find(pattern: RegExp): string | undefined;
  /**
   * Warnings and errors for the end of a message, or all lines when there are none of them. After a moment: lines come from other threads,
   * later than the exception that they explain.
   */
  quoted(): Promise<string>;
}

export function createLogLines(limit = 50): LogLines {
  // The lines of start-up name the backend and would be pushed out by the model's.
  const firsts: string[] = [];
  const lasts: string[] = [];
  return {
    add(level, text) {
      const lines = text.split('\n').filter((line) => line.trim() !== '');
      const marked = lines.map((line) => `${level}: ${line}`);
      firsts.push(...marked.slice(0, limit - firsts.length));
      lasts.push(...marked);
      lasts.splice(0, lasts.length - limit);
    },
    find: (pattern) => firsts.map((line) => pattern.exec(line)?.[1]).find((found) => found !== undefined),
    async quoted() {
      await delay(50);
      const telling = lasts.filter((line) => /^(warn|error|fatal):/.test(line));
      const lines = telling.length > 0 ? telling : lasts;
      return lines.length === 0 ? '' : `\nFrom its log:\n${lines.map((line) => `  ${line}`).join('\n')}`;
    },
  };
}
