import type { LanguageModel } from '../core/lm.ts';
import { createGpuRoom } from './gpu-room.ts';

/** What all models of a run go through: on a CPU one computes at a time, with all the run's threads; on a GPU those are open that fit. */
export interface ModelGate {
  /** The same model, whose work waits for its turn. One that does not compute on this CPU waits only until that is known. */
  guard(model: LanguageModel): LanguageModel;
  /** How often the turn went from one model to another, or a model was closed for another. */
  switches(): number;
}

// Caches stay warm within a turn; a model that waits gets its turn after so many calls of the other.
const callsPerTurn = 64;

export function createModelGate(): ModelGate {
  const waiting: { readonly model: LanguageModel; go(): void }[] = [];
  let holder: LanguageModel | null = null;
  let running = 0;
  let left = callsPerTurn;
  let switches = 0;
  const gpu = createGpuRoom(callsPerTurn);

  function admit(): void {
    for (;;) {
      const isOther = waiting.some(({ model }) => model !== holder);
      const isOver = isOther && left === 0;
      const index = isOver ? -1 : waiting.findIndex(({ model }) => model === holder);
      if (index < 0 && (!isOther || running > 0)) return;
      if (index < 0) passOn(waiting.find(({ model }) => model !== holder)!.model);
      else {
        if (isOther) left--;
        running++;
        waiting.splice(index, 1)[0]!.go();
      }
    }
  }

  function passOn(next: LanguageModel): void {
    if (holder !== null) switches++;
    holder = next;
    left = callsPerTurn;
  }

  function leave(): void {
    running--;
    // Who has the answer may ask the same model again within this turn of the event loop: then it goes on with it.
    if (running === 0 && waiting.length > 0) setImmediate(admit);
  }

  async function during<Result>(model: LanguageModel, task: () => Promise<Result>): Promise<Result> {
    await new Promise<void>((go) => {
      waiting.push({ model, go });
      admit();
    });
    try {
      return await task();
    } finally {
      leave();
    }
  }

  function guard(model: LanguageModel): LanguageModel {
    let computesElsewhere = false;
    const { weights } = model;
    const tenant = gpu.tenant(model);
    const inTurn = <Result>(task: () => Promise<Result>) =>
      computesElsewhere ? tenant.during(task) : during(model, task);
    return {
      base: model.base,
      get notices() {
        return model.notices;
      },
      engine: (wanted, neededTokens) =>
        inTurn(async () => {
          const engine = await model.engine(wanted, neededTokens, tenant.makeRoom);
          computesElsewhere = engine.device !== 'cpu';
          return engine;
        }),
      generate: (request, options) => inTurn(() => model.generate(request, options)),
      weights: weights && {
        encode: (rows) => inTurn(() => weights.encode(rows)),
        tokenTexts: (rows) => inTurn(() => weights.tokenTexts(rows)),
        logProbabilities: (probes, adapter) => inTurn(() => weights.logProbabilities(probes, adapter)),
        embed: (texts) => inTurn(() => weights.embed(texts)),
        openMerged: async (file) => guard(await weights.openMerged(file)),
      },
      release: tenant.release,
    };
  }

  return { guard, switches: () => switches + gpu.closings() };
}
