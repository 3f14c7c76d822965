import { now } from '../../system/clock.ts';

export interface Screen {
  /** A line that stays. */
  readonly onLine: (line: string) => void;
  /** What is going on now. Shown only on a terminal, below the lines, with a spinner and the seconds since the last line. */
  readonly onProgress: (status: string) => void;
  close(): void;
}

const FRAMES = '⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏';
const CLEAR_LINE = '\r\u001b[K';

/** Shows set-up on a stream; without a terminal, plain lines. */
export function screenOn(stream: NodeJS.WriteStream): Screen {
  const write = (line: string): void => void stream.write(`${line}\n`);
  if (!stream.isTTY) return { onLine: write, onProgress: () => {}, close: () => {} };

  let status = '';
  let since = now();
  let frame = 0;
  const draw = (): void => {
    if (!status) return;
    frame = (frame + 1) % FRAMES.length;
    const seconds = Math.round((now() - since) / 1000);
    const text = `${FRAMES[frame]} ${status}, ${seconds} s`;
    stream.write(CLEAR_LINE + text.slice(0, stream.columns - 1));
  };
  const clear = (): void => {
    if (status) stream.write(CLEAR_LINE);
    status = '';
  };
  const timer = setInterval(draw, 100);
  return {
    onLine(line) {
      clear();
      write(line);
      since = now();
    },
    onProgress(next) {
      status = next;
      draw();
    },
    close() {
      clearInterval(timer);
      clear();
    },
  };
}
