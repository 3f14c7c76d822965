import { answerPlan, parseAnswer, userText } from '../../src/core/chat-format.ts';
import type { Fields } from '../../src/core/json.ts';
import type { LmRequest, Prompt } from '../../src/core/lm.ts';
import { firstAttempt } from '../../src/core/program.ts';
import type { Problem } from './laboratory.ts';
import type { ScriptedModel } from './scripted-model.ts';

/** A message as the Python optimizers send it. */
export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

/** The values behind DSPy's markers, `[[ ## name ## ]]`, each alone on its line. */
export function markedFields(text: string): { readonly [name: string]: string } {
  const parts = text.split(/^\[\[ ## (\w+) ## \]\]\n/m).slice(1);
  const names = parts.filter((_, index) => index % 2 === 0);
  // DSPy ends a question with what it wants, as a paragraph of its own.
  return Object.fromEntries(
    names.map((name, index) => [name, parts[2 * index + 1]!.split('\n\nRespond with')[0]!.trim()]),
  );
}

/** The same with the values written. */
const marked = (fields: Fields): string =>
  [...Object.entries(fields), ['completed', ''] as const]
    .map(([name, value]) => `[[ ## ${name} ## ]]\n${value}`)
    .join('\n\n');

/** The student's answer to a prompt in DSPy's layout: the very script answers that answers our prompts, with the same luck. */
export async function studentAnswer(problem: Problem, messages: readonly ChatMessage[]): Promise<string> {
  const { name, prompt } = asOurPrompt(problem, messages);
  // `!`: the name is of this structure.
  const signature = problem.structure.predictors[name]!;
  const state = problem.start.predictors[name]!;
  const request: LmRequest = {
    model: state.model,
    prompt,
    answer: answerPlan(signature, state),
    choice: 'greedy',
    sampling: firstAttempt,
  };
  return marked(parseAnswer(signature, state.chatFormat, await answerOf(problem.student(), request)));
}

/** Whose prompt it is (by the fields that it gives), and the prompt as our own layout has it. */
export function asOurPrompt(
  { structure }: Problem,
  messages: readonly ChatMessage[],
): { name: string; prompt: Prompt } {
  const said = messages.filter(({ role }) => role !== 'system').map(({ content }) => content);
  const inputs = markedFields(said.at(-1) ?? '');
  const isAsked = (fields: readonly { readonly name: string }[]) =>
    fields.map((field) => field.name).join() === Object.keys(inputs).join();
  const found = Object.entries(structure.predictors).find(([, { inputFields }]) => isAsked(inputFields));
  if (!found) throw new TypeError(`No predictor takes these inputs: ${Object.keys(inputs).join(', ')}`);
  const [name, signature] = found;
  const demos = said.slice(0, -1);
  const turns = demos.flatMap((user, index) =>
    index % 2 === 0 ? [{ user: userText(signature, markedFields(user)), assistant: demos[index + 1] ?? '' }] : [],
  );
  return { name, prompt: { system: systemOf(messages), turns, user: userText(signature, inputs) } };
}

/** The prompt model's answer: the named outputs in DSPy's markers, or for a plain question a text between fences. */
export async function writerAnswer(
  writer: ScriptedModel,
  messages: readonly ChatMessage[],
  { temperature, seed }: { readonly temperature: number; readonly seed: number },
): Promise<string> {
  const system = systemOf(messages);
  const user = messages
    .filter(({ role }) => role === 'user')
    .map(({ content }) => content)
    .join('\n');
  const text = await answerOf(writer, {
    model: { base: writer.base.sha256, adapter: null },
    prompt: { system, turns: [], user },
    answer: [{ type: 'value', grammar: 'root ::= [^\\n]*', end: { kind: 'turn' } }],
    choice: 'greedy',
    sampling: { ...firstAttempt, temperature, seed },
  });
  const outputs = outputsAsked(system);
  return outputs.length === 0
    ? `\`\`\`\n${text}\n\`\`\``
    : marked(Object.fromEntries(outputs.map((name) => [name, text])));
}

/** What DSPy lists under "Your output fields are:". */
function outputsAsked(system: string): string[] {
  const list = /^Your output fields are:\n((?:\d+\. .*\n)+)/m.exec(system)?.[1] ?? '';
  return [...list.matchAll(/^\d+\. `(\w+)`/gm)].map(([, name]) => name!);
}

const systemOf = (messages: readonly ChatMessage[]): string =>
  messages
    .filter(({ role }) => role === 'system')
    .map(({ content }) => content)
    .join('\n');

async function answerOf(model: ScriptedModel, request: LmRequest): Promise<string> {
  const response = await model.generate(request, { adapter: null });
  if (response.failure) throw new TypeError(`The scripted model failed: ${response.failure.message}`);
  return response.pieces.join('');
}
