import { messagesOf } from '../../core/chat-messages.ts';
import { InputError } from '../../core/errors.ts';
import { ExampleFailure, type Failure } from '../../core/failure.ts';
import type { Fields, Json } from '../../core/json.ts';
import type { Attempt } from '../../core/program.ts';
import type { Call } from '../../core/trace.ts';
import { mapInOrder } from '../../evaluate/in-order.ts';
import { messageLines } from '../../report/prompt-text.ts';
import { type DataRow, readDataFile } from '../data-file.ts';
import { inputsOf } from '../experiment-data.ts';
import { type LoadOptions, loadProgram } from '../load-program.ts';
import { noteModels, type Output } from '../output.ts';

interface PredictFlags extends LoadOptions {
  /** One row's inputs as a JSON object. */
  readonly input?: string;
  readonly data?: string;
  /** Answers for each row, with seeds that follow each other. */
  readonly samples: number;
  readonly sampling: Attempt;
  /** Shows what was sent to the model, too. */
  readonly trace?: boolean;
}

/** Asks a saved program: one input, or every row of a file, once or several times. */
export async function predictCommand(
  path: string,
  flags: PredictFlags,
  signal: AbortSignal,
  output: Output,
): Promise<void> {
  const rows = readRows(flags);
  const { sampling, samples, data, trace: isTraced = false } = flags;
  await using program = await loadProgram(path, flags);
  noteModels(program, output);
  const place = ({ line }: DataRow) => (data === undefined ? '--input' : `${data}:${line}`);
  const questions = inputsOf(rows, program.structure, place).flatMap((inputs) =>
    Array.from({ length: samples }, (_, index) => ({
      inputs,
      sampling: { ...sampling, seed: (sampling.seed ?? 0) + index },
    })),
  );
  const predictions = await mapInOrder(questions, 16, async ({ inputs, sampling }) => {
    try {
      const { trace, ...prediction } = await program.predict(inputs, { signal, sampling });
      return { inputs, ...prediction, failure: null, ...(isTraced ? { trace: trace.map(sentAndAnswered) } : {}) };
    } catch (error) {
      if (error instanceof ExampleFailure) return { inputs, outputs: null, confidence: {}, failure: error.failure };
      throw error;
    }
  });
  const [only] = predictions;
  const document = flags.input === undefined || samples > 1 ? predictions : only;
  output.result(document, () => predictions.map(predictionText).join('\n'));
}

/** A call as people can read it: the exact messages, and the answer as the model gave it. */
const sentAndAnswered = ({ predictor, request, response }: Call) => ({
  predictor,
  messages: messagesOf(request.prompt),
  answer: response.failure ? null : response.pieces.join(''),
});

interface Answered {
  readonly outputs: Fields | null;
  readonly failure: Failure | null;
  readonly trace?: readonly ReturnType<typeof sentAndAnswered>[];
}

function predictionText({ outputs, failure, trace = [] }: Answered): string {
  const sent = trace.flatMap(({ predictor, messages, answer }) => [
    `predictor ${predictor}`,
    ...messages.flatMap(({ role, content }) => messageLines(role, content)),
    ...messageLines('answer', answer ?? ''),
    '',
  ]);
  return [...sent, JSON.stringify(outputs ?? { failure })].join('\n');
}

function readRows({ input, data }: PredictFlags): readonly DataRow[] {
  if (input !== undefined && data !== undefined)
    throw new InputError('predict-input', ['--input stands beside --data.'], 'Give one of them.');
  if (data !== undefined) return readDataFile(data);
  const hint = `For example --input '{"ticket": "My parcel never came."}', or --data FILE.`;
  if (input === undefined) throw new InputError('predict-input', ['There is nothing to predict on.'], hint);
  let value: Json;
  try {
    // `as`: JSON.parse returns JSON.
    value = JSON.parse(input) as Json;
  } catch (error) {
    throw new InputError(
      'predict-input',
      [`--input is not JSON: ${error instanceof Error ? error.message : error}`],
      hint,
    );
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new InputError('predict-input', ['--input is not a JSON object.'], hint);
  // `as`: an object, as was just checked.
  return [{ fields: value as Fields, line: 1 }];
}
