import { InputError } from '../../core/errors.ts';
import { ExampleFailure } from '../../core/failure.ts';
import type { Fields, Json } from '../../core/json.ts';
import { mapInOrder } from '../../evaluate/in-order.ts';
import { readDataFile } from '../data-file.ts';
import { type LoadOptions, loadProgram } from '../load-program.ts';
import { noteModels, type Output } from '../output.ts';

interface PredictFlags extends LoadOptions {
  /** One row's inputs as a JSON object. */
  readonly input?: string;
  readonly data?: string;
}

/** Asks a saved program: one input, or every row of a file. */
export async function predictCommand(
  path: string,
  flags: PredictFlags,
  signal: AbortSignal,
  output: Output,
): Promise<void> {
  const rows = readInputs(flags);
  await using program = await loadProgram(path, flags);
  noteModels(program, output);
  const predictions = await mapInOrder(rows, 16, async (inputs) => {
    try {
      return { inputs, outputs: await program(inputs, { signal }), failure: null };
    } catch (error) {
      if (error instanceof ExampleFailure) return { inputs, outputs: null, failure: error.failure };
      throw error;
    }
  });
  const [only] = predictions;
  const document = flags.input === undefined ? predictions : only;
  output.result(document, () =>
    predictions.map(({ outputs, failure }) => JSON.stringify(outputs ?? { failure })).join('\n'),
  );
}

function readInputs({ input, data }: PredictFlags): Fields[] {
  if (input !== undefined && data !== undefined)
    throw new InputError('predict-input', ['--input stands beside --data.'], 'Give one of them.');
  if (data !== undefined) return readDataFile(data).map(({ fields }) => fields);
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
  return [value as Fields];
}
