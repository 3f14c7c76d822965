import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeAdapter } from './adapter.mjs';
import { interleaved } from './interleaved.mjs';
import { openModel, requestOf } from './model.mjs';

const rounds = 5;

/** From one adapter to another: the seconds of a call of one token after the switch, against the same call without one and against a reload. */
export async function bench(say) {
  const folder = mkdtempSync(join(tmpdir(), 'better-together-bench-'));
  const adapters = [0, 1, 2].map((seed) => writeAdapter(join(folder, `${seed}.gguf`), seed));
  const lm = await openModel({ contextTokens: 2048 });
  let asked = 0;
  const secondsOf = async (adapter) => {
    const model = { base: lm.base.sha256, adapter: adapter?.sha256 ?? null };
    const request = { ...requestOf(lm, { user: `Hello ${asked++}?`, maxTokens: 1 }), model };
    const started = performance.now();
    await lm.generate(request, { adapter });
    return { seconds: (performance.now() - started) / 1000 };
  };
  let seed = adapters.length;
  try {
    say(`${rounds} rounds of switching between adapters of rank 16 …`);
    const { same, between, opened, unseen, reloaded } = await interleaved(
      {
        // The base and adapter 0 stay open, so the first two variants open nothing.
        same: async () => {
          await secondsOf(null);
          await secondsOf(adapters[0]);
          return secondsOf(adapters[0]);
        },
        between: () => secondsOf(null),
        // Two are kept open: of three in turn each has to be opened again.
        opened: async () => {
          for (const adapter of adapters) await secondsOf(adapter);
          return secondsOf(adapters[0]);
        },
        unseen: () => secondsOf(writeAdapter(join(folder, `${seed}.gguf`), seed++)),
        reloaded: async () => {
          await lm.release();
          return secondsOf(adapters[0]);
        },
      },
      rounds,
    );
    const table = { same, between, opened, unseen, reloaded };
    const figures = Object.fromEntries(Object.entries(table).map(([key, one]) => [key, round(one.seconds)]));
    return {
      figures,
      head: ['a call of one token', 'seconds', 'of a reload'],
      rows: [
        ['with the adapter of the call before', round(same.seconds), round(same.seconds / reloaded.seconds)],
        ['with another that is open', round(between.seconds), round(between.seconds / reloaded.seconds)],
        ['with one that has to be opened', round(opened.seconds), round(opened.seconds / reloaded.seconds)],
        ['with one never seen before', round(unseen.seconds), round(unseen.seconds / reloaded.seconds)],
        ['after the process was started again', round(reloaded.seconds), 1],
      ],
    };
  } finally {
    await lm.release();
    rmSync(folder, { recursive: true });
  }
}

const round = (value) => Number(value.toFixed(3));
