import { inCheckout } from '../../setup/checkout.mjs';
import { stopSignal } from '../../setup/program.mjs';
import { compiled } from '../scripted.mjs';

const { runProgram } = await compiled('cli/setup/program.js');
const { findPython, programIn } = await compiled('cli/setup/python.js');
const { findUv, uvEnvironment } = await compiled('cli/setup/uv.js');

/** What is compared with. Optuna is what DSPy needs for MIPROv2. */
const packages = ['dspy==3.4.1', 'gepa==0.1.4', 'optuna==5.0.0'];

/** Makes a Python environment with the peers in a folder, and says which Python runs in it. */
export async function peerEnvironment(folder) {
  const work = {
    onProgress: () => {},
    signal: stopSignal,
    environment: {},
    scratch: inCheckout('.better-together'),
  };
  const python = await findPython(work);
  const uv = await findUv(work);
  const failure = (evidence) => new Error(`The Python environment of the peers could not be made.\n  ${evidence}`);
  const run = (...args) => runProgram({ program: uv.program, args, environment: uvEnvironment(), failure }, work);
  await run('venv', '--no-project', '--python', python.program, folder);
  await run('pip', 'install', '--python', programIn(folder, 'python'), ...packages);
  return { program: programIn(folder, 'python'), version: python.version, packages };
}
