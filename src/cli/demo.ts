import { join } from 'node:path';
import type { RunFlags } from './plan-run.ts';

const teams = ['billing', 'delivery', 'returns', 'account', 'technical', 'repairs', 'sales', 'privacy'];

/** Sized for minutes on two cores: fewer candidates and training steps than the defaults, and rows from the labels alone. */
const demoSettings = [
  'p.numCandidatePrograms=0',
  'p.restrict=[-3,-2]',
  'p.maxLabeledDemos=4',
  'p.chatFormats=[]',
  'p.labelLists=[]',
  'p.demoOrders=[]',
  'w.rows=labelled',
  'w.steps=64',
  'w.schedule=linear',
];

/** The demo is an ordinary run on the tickets that come with the package. */
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
    set: [...demoSettings, ...flags.set],
  };
}
