import { z } from 'zod';
import { WorldError } from '../core/errors.ts';
import { offlineEnvironment } from '../system/environment.ts';
import { trainerSource } from '../system/folders.ts';
import { type Command, outputOf } from '../system/process.ts';

const Description = z.object({
  versions: z.record(z.string(), z.string().nullable()),
  platform: z.string(),
  cuda: z.object({
    /** The CUDA version that torch was built for, or null for a torch without CUDA. */
    torchBuild: z.string().nullable(),
    driver: z.string().nullable(),
    devices: z.number(),
    usable: z.boolean(),
  }),
  metal: z.object({ usable: z.boolean() }),
});

/** What the trainer's Python environment has. */
export interface PythonEnvironment extends z.infer<typeof Description> {
  readonly versions: Readonly<Record<string, string>>;
}

/** The trainer's command line, with `launcher` in the place of the Python program. */
export function trainerCommand(launcher: readonly [string, ...string[]]): Command {
  const [program, ...args] = launcher;
  return {
    program,
    args: [...args, '-m', 'better_together_trainer'],
    environment: {
      ...offlineEnvironment(),
      PYTHONPATH: trainerSource(),
      // Nothing of the user's own may stand in for a locked package: not a file in the current folder, not a package of the user's site.
      PYTHONSAFEPATH: '1',
      PYTHONNOUSERSITE: '1',
      PYTHONUTF8: '1',
    },
  };
}

/** Asks a Python program what it has, in under a second (torch is not imported). Throws when anything that is needed is missing. */
export async function describePython(python: string): Promise<PythonEnvironment> {
  const { program, args, environment } = trainerCommand([python]);
  const answer = await outputOf({ program, args: [...args, 'versions'], environment });
  if (answer.startError) throw pythonMissing(`There is no Python program at ${python}.`);
  const description = answer.exitCode === 0 ? parseDescription(answer.stdout) : undefined;
  if (!description) throw pythonMissing(`${python} cannot run the trainer:\n${answer.stderr.slice(-2000)}`);
  const versions: Record<string, string> = {};
  for (const [name, version] of Object.entries(description.versions)) {
    if (version === null) throw pythonMissing(`The Python at ${python} lacks the package ${name}.`);
    versions[name] = version;
  }
  return { ...description, versions };
}

function parseDescription(text: string): z.infer<typeof Description> | undefined {
  try {
    return Description.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

const pythonMissing = (fact: string): WorldError =>
  new WorldError(
    'python-missing',
    fact,
    'Run `npm run setup` in a checkout, or `better-together setup`. Then run the same command again: it goes on where it was.',
  );
