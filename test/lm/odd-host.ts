// The real model host with one oddity, which ODD_HOST names.
import { execFileSync } from 'node:child_process';
import { appendFileSync, existsSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { hostDescriptor } from '../../src/system/message-channel.ts';
import { parentProcess } from '../../src/system/parent-process.ts';

const [name = '', argument = ''] = (process.env.ODD_HOST ?? '').split(' ');
const noise = Buffer.from(Array.from({ length: 4096 }, (_, index) => (index * 37) % 256));
const parent = parentProcess();
const send = parent.send;

/** What the host says goes through here. */
function overhear(listen: (message: { type: string; id: number }) => void): void {
  parent.send = (message, onSent) => {
    // `as`: a message of the protocol; of those without an id nobody asks for it.
    listen(message as { type: string; id: number });
    send(message, onSent);
  };
}

const oddities: Readonly<Record<string, () => void>> = {
  /** Writes bytes that are no text on both streams, all the time. */
  noise: () =>
    void setInterval(() => {
      process.stdout.write(noise);
      process.stderr.write(noise);
    }, 2).unref(),
  /** Says something else once, in the middle of its first work. */
  babble: () =>
    overhear(({ type }) => {
      if (type !== 'started' || existsSync(argument)) return;
      writeFileSync(argument, '');
      send({ type: 'done', id: 'all of them', result: noise });
    }),
  /** Writes bytes that are no message on the channel once, in the middle of its first work. */
  scribble: () =>
    overhear(({ type }) => {
      if (type !== 'started' || existsSync(argument)) return;
      writeFileSync(argument, '');
      writeSync(hostDescriptor, noise);
    }),
  /** May have so many more megabytes of address space than it has at its start. */
  limited: () => {
    const kilobytes = Number(/VmSize:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))![1]);
    execFileSync('prlimit', ['--pid', String(process.pid), `--as=${kilobytes * 1024 + Number(argument) * 2 ** 20}`]);
  },
  /** Writes down when work begins and ends, on the clock that all processes share. */
  logged: () =>
    overhear(({ type, id }) => {
      if (type === 'started' || type === 'done')
        appendFileSync(argument, `${process.pid} ${type} ${id} ${process.hrtime.bigint()}\n`);
    }),
};

oddities[name]?.();
await import('../../src/lm/llama/child.ts');
