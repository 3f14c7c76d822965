/**
 * Runs every variant once in each round, so that whatever else the machine does falls on all of them, and returns what each measured: the
 * medians over the rounds, number by number. The first round warms up and does not count, unless the rounds are long: `warmUps: 0`.
 */
export async function interleaved(variants, rounds, { warmUps = 1 } = {}) {
  const results = Object.fromEntries(Object.keys(variants).map((name) => [name, []]));
  for (let round = 1 - warmUps; round <= rounds; round++) {
    for (const [name, measure] of Object.entries(variants)) {
      const measured = await measure();
      if (round > 0) results[name].push(measured);
    }
  }
  return Object.fromEntries(Object.entries(results).map(([name, measured]) => [name, medians(measured)]));
}

function medians(measured) {
  const keys = Object.keys(measured[0]);
  return Object.fromEntries(keys.map((key) => [key, median(measured.map((one) => one[key]))]));
}

export function median(numbers) {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** How long work took, by the clock and in CPU time of this process: the second hardly feels what else the machine does. */
export async function timed(work) {
  const cpu = process.cpuUsage();
  const started = performance.now();
  await work();
  const seconds = (performance.now() - started) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  return { seconds, cpuSeconds: (user + system) / 1e6 };
}
