import { interleaved, timed } from './interleaved.mjs';
import { rendering } from './rendering.mjs';
import { evaluateOn, memoryOver, scriptedModel, tickets, withStore } from './scripted.mjs';

const rowCount = 20_000;
const rounds = 5;

/** Rows per second of an evaluation whose model answers at once: what the loop around a model costs, journal and all. */
export async function bench(say) {
  const examples = tickets(rowCount);
  say(`${rounds} rounds of ${rowCount} distinct rows each …`);
  const journaled = (inFlight) => () => withStore((store) => rate(examples, inFlight, memoryOver(store).answer));
  const measured = await interleaved(
    {
      '8 in flight, not journaled': () => rate(examples, 8, (request) => scriptedModel.generate(request)),
      '1 in flight': journaled(1),
      '8 in flight': journaled(8),
    },
    rounds,
  );
  const [free, one, eight] = Object.values(measured);
  const { renderMs, tokenizeMs, llamaCpp } = await rendering(examples);
  return {
    environment: { llamaCpp },
    figures: {
      rowsPerSecond1InFlight: Math.round(one.perSecond),
      rowsPerSecond8InFlight: Math.round(eight.perSecond),
      rowsPerCpuSecond1InFlight: Math.round(one.perCpuSecond),
      rowsPerCpuSecond8InFlight: Math.round(eight.perCpuSecond),
      eightAgainstOneInFlight: ratio(eight, one),
      journaledAgainstNot: ratio(eight, free),
      renderMilliseconds: Number(renderMs.toFixed(4)),
      renderAndTokenizeMilliseconds: Number((renderMs + tokenizeMs).toFixed(4)),
    },
    head: ['evaluate', 'rows/s', 'rows per CPU second', 'against 8 in flight'],
    rows: [
      ...Object.entries(measured).map(([name, variant]) => [
        name,
        Math.round(variant.perSecond),
        Math.round(variant.perCpuSecond),
        ratio(variant, eight).toFixed(2),
      ]),
      ['rendering a prompt, prefix known', `${(1000 * renderMs).toFixed(1)} µs CPU`, '', ''],
      ['tokenizing it', `${(1000 * tokenizeMs).toFixed(1)} µs CPU`, '', ''],
    ],
  };
}

const ratio = (a, b) => Number((a.perSecond / b.perSecond).toFixed(3));

async function rate(examples, inFlight, answer) {
  const { seconds, cpuSeconds } = await timed(() => evaluateOn(examples, answer, inFlight));
  return { perSecond: examples.length / seconds, perCpuSecond: examples.length / cpuSeconds };
}
