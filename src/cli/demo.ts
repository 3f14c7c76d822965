import { join } from 'node:path';
import type { RunFlags } from './plan-run.ts';

const teams = ['billing', 'delivery', 'returns', 'account', 'technical', 'repairs', 'sales', 'privacy'];

/** The demo is an ordinary run on the tickets that come with the package, in a size that takes minutes on two cores. */
export function demoFlags(flags: RunFlags, dataFolder: string): RunFlags {
  return {
    ...flags,
    data: join(dataFolder, 'tickets.jsonl'),
    splitColumn: 'split',
    valRatio: 0,
    testRatio: 0,
    signature: `ticket -> team: ${teams.map((team) => `'${team}'`).join(' | ')}`,
    instructions: 'Route the ticket to the team that should answer it.',
    predictor: 'predict',
    chatFormat: 'json',
    decoding: 'constrained',
    metric: 'exact-match',
    set: ['p.numCandidatePrograms=4', ...flags.set],
  };
}
