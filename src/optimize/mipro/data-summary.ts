import { z } from 'zod';
import type { Example } from '../../core/example.ts';
import type { OptimizerContext } from '../../core/optimizer.ts';
import { signature } from '../../core/signature.ts';
import { inquire } from './ask.ts';

/** Characters of one answer at most: a few sentences. */
const text = z.string().min(1).max(600);

const look = signature({
  instructions:
    'These are examples of a task, each with its input and the right output. Say in two or three sentences what the data is about, what the inputs look like, and what decides the output. Copy no example.',
  inputs: { examples: z.string() },
  outputs: { observations: text },
});

const lookAgain = signature({
  instructions:
    'Something was noted about the examples of a task. Here are more of them. Say whether the notes are complete, and if not, add what is missing in one or two sentences. Copy no example.',
  inputs: { notes: z.string(), examples: z.string() },
  outputs: { isComplete: z.boolean(), observations: text },
});

const sumUp = signature({
  instructions: 'Sum up these notes on the data of a task in two or three sentences.',
  inputs: { notes: z.string() },
  outputs: { summary: text },
});

// DSPy's numbers.
const mostBatches = 10;
const completesToStop = 5;
const temperature = 1;

/** What the prompt model finds in the train rows, batch by batch, in a few sentences; null when it finds nothing readable. */
export async function summarizeData(context: OptimizerContext, batchSize: number): Promise<string | null> {
  const rng = context.rng.fork('data-summary');
  const notes: string[] = [];
  let completes = 0;
  for (let batch = 0; batch < mostBatches && completes < completesToStop; batch++) {
    const rows = context.train.slice(batch * batchSize, (batch + 1) * batchSize);
    if (rows.length === 0) break;
    const outputs = await inquire(context, {
      question: batch === 0 ? look : lookAgain,
      inputs: { examples: rows.map(asLine).join('\n'), ...(batch === 0 ? {} : { notes: notes.join('\n') }) },
      shortenable: 'examples',
      temperature,
      seed: rng.int(seeds),
    });
    if (outputs === null) break;
    if (outputs.isComplete === true) completes++;
    else notes.push(String(outputs.observations));
  }
  if (notes.length === 0) return null;
  const inputs = { notes: notes.join('\n') };
  const outputs = await inquire(context, {
    question: sumUp,
    inputs,
    shortenable: 'notes',
    temperature,
    seed: rng.int(seeds),
  });
  return outputs === null ? null : String(outputs.summary);
}

const seeds = 2 ** 20;

const asLine = ({ inputs, labels }: Example): string => `${JSON.stringify(inputs)} -> ${JSON.stringify(labels)}`;
