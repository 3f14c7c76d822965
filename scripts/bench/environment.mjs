import { availableParallelism, cpus, loadavg } from 'node:os';
import { inCheckout, readText } from '../setup/checkout.mjs';

/** Where a figure comes from. A load above 0 before the bench says that the machine was not its own. */
export const environment = () => ({
  cpu: cpus()[0]?.model ?? 'unknown',
  cores: availableParallelism(),
  node: process.version,
  version: JSON.parse(readText(inCheckout('package.json'))).version,
  loadAverage: loadavg().map((load) => Number(load.toFixed(2))),
});
