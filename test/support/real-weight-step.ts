import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { predict } from '../../src/core/callable.ts';
import { answerPieces, answerPlan, renderPrompt } from '../../src/core/chat-format.ts';
import type { TrainingRow } from '../../src/core/data-set.ts';
import type { RunEvent } from '../../src/core/event.ts';
import type { FitOrder } from '../../src/core/optimizer.ts';
import { signature } from '../../src/core/signature.ts';
import type { Store } from '../../src/core/store.ts';
import type { LoraSettings, Trainer, TrainingSettings } from '../../src/core/trainer.ts';
import type { LocalModel } from '../../src/lm/llama/local-model.ts';
import { trainAdapter } from '../../src/run/weight-step.ts';

/** A weight step by itself: what a run does between its rows and an adapter that it may serve. */
export async function weightStep(
  order: FitOrder,
  { model, trainer, store }: { readonly model: LocalModel; readonly trainer: Trainer; readonly store: Store },
): Promise<{ readonly adapter: string; readonly events: readonly RunEvent[] }> {
  const events: RunEvent[] = [];
  const adapter = await trainAdapter(order, {
    store,
    trainer,
    model,
    releaseModels: model.release,
    step: 1,
    signal: new AbortController().signal,
    record: (event) => events.push(event),
    onPhase: () => {},
    onProgress: () => {},
  });
  return { adapter, events };
}

export interface OrderSettings {
  readonly rows?: number;
  readonly seed?: number;
  readonly lora?: Partial<LoraSettings>;
  readonly training?: Partial<TrainingSettings>;
}

/** An order for tickets and their teams, in few and large steps. */
export function ticketOrder(base: string, { rows = 8, seed = 0, lora, training }: OrderSettings = {}): FitOrder {
  return {
    base,
    startFrom: null,
    rows: ticketRows(rows),
    lora: { rank: 4, alpha: 8, dropout: 0, rsLora: false, topLayers: null, targets: 'all', ...lora },
    training: {
      method: 'sft',
      beta: null,
      steps: 4,
      batch: 4,
      learningRate: 0.01,
      warmupSteps: 0,
      schedule: 'constant',
      precision: 'float32',
      quantization: 'none',
      ...training,
    },
    evaluation: null,
    merge: null,
    seed,
    dropped: {},
  };
}

const teams = "'billing' | 'delivery' | 'returns' | 'account' | 'technical' | 'repairs' | 'sales' | 'privacy'";
const routing = predict(signature(`ticket -> team: ${teams}`, 'Route the ticket to the team that should answer it.'));

/** Train rows of the tickets that come with the package, as a run would make them. */
export function ticketRows(count: number): TrainingRow[] {
  const path = fileURLToPath(new URL('../../data/tickets.jsonl', import.meta.url));
  const lines = readFileSync(path, 'utf8').trim().split('\n').slice(0, count);
  const [wanted] = Object.values(routing.structure.predictors);
  const [draft] = Object.values(routing.drafts);
  const state = { ...draft!, model: { base: '', adapter: null } };
  return lines.map((line, index) => {
    // `as`: the data set that comes with the package has these two.
    const { ticket, team } = JSON.parse(line) as { readonly ticket: string; readonly team: string };
    return {
      prompt: renderPrompt(wanted!, state, { ticket }),
      pieces: answerPieces(wanted!, state, { team }),
      given: answerPlan(wanted!, state)?.findIndex(({ type }) => type !== 'text') ?? 0,
      predictor: 'predict',
      example: `ticket-${index}`,
      from: 'labelled',
      label: team,
    };
  });
}
