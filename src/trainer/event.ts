import { z } from 'zod';

const version = { v: z.literal(1) };

/** What the trainer says while it works; python-trainer's events.py writes it. Types that only reassure carry more than is read here. */
const TrainerEvent = z.discriminatedUnion('type', [
  z.object({
    ...version,
    type: z.literal('progress'),
    step: z.number(),
    steps: z.number(),
    loss: z.number(),
    secondsLeft: z.number(),
  }),
  z.object({ ...version, type: z.literal('heartbeat'), phase: z.string() }),
  z.object({ ...version, type: z.literal('warning'), message: z.string() }),
  z.object({ ...version, type: z.literal('network'), to: z.string() }),
  z.object({ ...version, type: z.literal('error'), code: z.string(), message: z.string(), hint: z.string() }),
  z.object({ ...version, type: z.enum(['start', 'ready', 'evaluation', 'checkpoint', 'result', 'stopped']) }),
]);

export type TrainerEvent = z.infer<typeof TrainerEvent>;

/** One line of the trainer; undefined when it is not one: both sides are of one release, so nothing unknown is expected. */
export function parseEvent(line: string): TrainerEvent | undefined {
  try {
    return TrainerEvent.parse(JSON.parse(line));
  } catch {
    return undefined;
  }
}
