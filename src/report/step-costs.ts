import type { RunEvent } from '../core/event.ts';
import type { RunSpan } from '../core/store.ts';

/** What one part of a run made: calls that were remembered before it cost nothing and are not in it. */
export interface PartCost extends Omit<RunSpan, 'after'> {
  /** `baseline`, a step such as `1: p`, `crossed cells`, or `sealed test`. */
  readonly part: string;
  /** Examples that were evaluated, each as often as it was. */
  readonly evaluated: number;
}

/** What the baseline, each step and the sealed test cost, in order. `spans` are those of the events. */
export function partCosts(events: readonly RunEvent[], spans: readonly RunSpan[]): readonly PartCost[] {
  const parts = new Map<string, PartCost>();
  let part = 'baseline';
  for (const [index, event] of events.entries()) {
    if (event.type === 'step-start') part = `${event.step}: ${event.key}`;
    if (event.type === 'crossed') part = 'crossed cells';
    if (event.type === 'chosen') part = 'sealed test';
    const before = parts.get(part) ?? nothing(part);
    // An evaluation is recorded after its calls were made: they are in the span before it, in the same part.
    const evaluated = before.evaluated + (event.type === 'evaluation' ? event.rows.length : 0);
    parts.set(part, { ...sum(before, spans[index]), evaluated });
  }
  return [...parts.values()];
}

const nothing = (part: string): PartCost => ({
  part,
  calls: 0,
  promptTokens: 0,
  cachedPromptTokens: 0,
  completionTokens: 0,
  seconds: 0,
  evaluated: 0,
});

const sum = (cost: PartCost, span: RunSpan | undefined): PartCost =>
  span === undefined
    ? cost
    : {
        ...cost,
        calls: cost.calls + span.calls,
        promptTokens: cost.promptTokens + span.promptTokens,
        cachedPromptTokens: cost.cachedPromptTokens + span.cachedPromptTokens,
        completionTokens: cost.completionTokens + span.completionTokens,
        seconds: cost.seconds + span.seconds,
      };
