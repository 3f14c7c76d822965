import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import type { RunEvent } from '../../src/core/event.ts';
import type { RunSummary } from '../../src/core/summary.ts';

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const tickets = fileURLToPath(new URL('../../data/tickets.jsonl', import.meta.url));

/** Three of the eight teams: few enough to be learned in a minute. */
export const teams = ['billing', 'technical', 'privacy'];
export const ticketSignature = `ticket -> team: ${teams.map((team) => `'${team}'`).join(' | ')}`;

/** The document of `run --json`. */
export type RunDocument = Omit<RunSummary, 'chosen'> & {
  status: string;
  chosen: { strategy: string; program: string };
};

export interface Started {
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

interface Options {
  readonly cwd: string;
  /** Starts the command behind this one, such as `unshare -rn`. */
  readonly behind?: readonly string[];
  /** Kills the whole process group, or sends SIGINT to the command, when stderr first holds this text. */
  readonly killAt?: string;
  readonly interruptAt?: string;
}

/** Runs the compiled command line as a user would, in a process group of its own. */
export async function betterTogether(
  args: readonly string[],
  { cwd, behind = [], killAt, interruptAt }: Options,
): Promise<Started> {
  const [program, ...rest] = [...behind, process.execPath, main, ...args];
  const child = execa(program!, rest, { cwd, reject: false, detached: true, buffer: true });
  let seen = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    seen += chunk.toString();
    if (killAt !== undefined && seen.includes(killAt)) process.kill(-child.pid!, 'SIGKILL');
    if (interruptAt !== undefined && seen.includes(interruptAt) && !seen.includes('Stopping after'))
      process.kill(child.pid!, 'SIGINT');
  });
  const { exitCode, stdout, stderr } = await child;
  return { exitCode, stdout, stderr };
}

export const documentOf = <T = RunDocument>({ stdout, stderr }: Started): T => {
  if (stdout === '') throw new Error(`Nothing on stdout; stderr was:\n${stderr}`);
  return JSON.parse(stdout) as T;
};

/** A small, balanced part of the tickets of these teams. */
export function writeTickets(
  folder: string,
  perTeam: { readonly train: number; readonly val: number; readonly test: number },
): string {
  const taken = new Map<string, number>();
  const lines = readFileSync(tickets, 'utf8')
    .trim()
    .split('\n')
    .filter((line) => {
      // `as`: our own data set.
      const { team, split } = JSON.parse(line) as { team: string; split: keyof typeof perTeam };
      const count = (taken.get(`${split} ${team}`) ?? 0) + 1;
      taken.set(`${split} ${team}`, count);
      return teams.includes(team) && count <= perTeam[split];
    });
  const path = join(folder, 'tickets.jsonl');
  writeFileSync(path, `${lines.join('\n')}\n`);
  return path;
}

export async function eventsOf(run: string, cwd: string): Promise<RunEvent[]> {
  const shown = await betterTogether(['show', run.slice(0, 12), '--json'], { cwd });
  return documentOf<{ events: RunEvent[] }>(shown).events;
}
