import { interleaved, timed } from './interleaved.mjs';
import { candidateWith, evaluateOn, memoryOver, scriptedModel, tickets, withStore } from './scripted.mjs';

const evaluations = 100;
const rowCount = 1000;
const rounds = 3;

/** Resuming a run of 100,000 remembered calls: 100 candidates, each evaluated on the same 1,000 rows, as a search does. */
export async function bench(say) {
  const examples = tickets(rowCount);
  const candidates = Array.from({ length: evaluations }, (_, n) => candidateWith(`Route the ticket, attempt ${n}.`));
  const replay = async (answer) => {
    for (const candidate of candidates) await evaluateOn(examples, answer, 8, candidate);
  };
  return withStore(async (store) => {
    say(`filling a store with ${evaluations * rowCount} calls …`);
    await replay(memoryOver(store).answer);
    const memory = memoryOver(store);
    const remembered = () => replay(memory.answer);
    await remembered(); // warm: what the heap needs for one evaluation it has now
    const rssBefore = megabytes();
    const asked = () => replay((request) => scriptedModel.generate(request));
    const measured = await interleaved(
      { remembered: () => timed(remembered), 'not asked of a memory': () => timed(asked) },
      rounds,
    );
    const rssAfter = megabytes();
    const { made } = memory.counts();
    if (made > 0) throw new Error(`${made} calls were made again: the store did not remember them.`);
    const [known, free] = Object.values(measured);
    return {
      figures: {
        calls: evaluations * rowCount,
        seconds: round(known.seconds),
        cpuSeconds: round(known.cpuSeconds),
        againstNoMemory: round(known.cpuSeconds / free.cpuSeconds),
        rssBeforeMegabytes: rssBefore,
        rssAfterMegabytes: rssAfter,
      },
      head: ['replay of 100,000 calls', 'seconds', 'CPU seconds', 'against no memory'],
      rows: [
        ...Object.entries(measured).map(([name, { seconds, cpuSeconds }]) => [
          name,
          seconds.toFixed(2),
          cpuSeconds.toFixed(2),
          (cpuSeconds / free.cpuSeconds).toFixed(2),
        ]),
        [`resident memory, before and after ${rounds + 1} replays`, `${rssBefore} MB`, `${rssAfter} MB`, ''],
      ],
    };
  });
}

const round = (number) => Number(number.toFixed(3));
const megabytes = () => Math.round(process.memoryUsage().rss / 1e6);
