#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { watchThisProcess } from '../system/network.ts';
import { exitCodeOf, explain } from './exit.ts';
import { addOptimizingCommands } from './optimizing-commands.ts';
import { addProgramCommands } from './program-commands.ts';
import { operatorSignal } from './signals.ts';
import { addStoreCommands } from './store-commands.ts';
import { defaults } from './wiring.ts';

function commandLine(signal: AbortSignal): Command {
  const cli = new Command('better-together')
    .description('Optimizes prompts (p) and weights (w) of a local language model together: p -> w -> p.')
    .version(defaults.version)
    .showHelpAfterError('The same command with --help lists what it knows.')
    .exitOverride();
  addOptimizingCommands(cli, signal);
  addStoreCommands(cli, signal);
  addProgramCommands(cli, signal);
  return cli;
}

// Before anything else runs: what this program tries to reach is part of a run's record.
watchThisProcess();
const { signal, wasTold } = operatorSignal();
try {
  await commandLine(signal).parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2;
  else {
    process.stderr.write(`${explain(error)}\n`);
    if (process.argv.includes('--json')) process.stdout.write(`${JSON.stringify(explainJson(error), null, 2)}\n`);
    process.exitCode = wasTold() ? 130 : exitCodeOf(error);
  }
}

/** The one document of a command that failed. */
function explainJson(error: unknown) {
  const status = exitCodeOf(error) === 2 ? 'failed' : 'stopped';
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unexpected';
  const hint = error instanceof Error && 'hint' in error ? String(error.hint) : '';
  return { status, error: { code, message: error instanceof Error ? error.message : String(error), hint } };
}
