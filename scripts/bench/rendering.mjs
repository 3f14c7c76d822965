import { getLlama, LlamaLogLevel } from 'node-llama-cpp';
import { inCheckout } from '../setup/checkout.mjs';
import { median, timed } from './interleaved.mjs';
import { compiled, requestMaker } from './scripted.mjs';

const { createRenderer } = await compiled('lm/llama/renderer.js');

/** What it takes from an example to the tokens of its prompt, whose prefix is known, with the default model's template and vocabulary. */
export async function rendering(examples) {
  const llama = await getLlama({
    gpu: false,
    build: 'never',
    skipDownload: true,
    progressLogs: false,
    logLevel: LlamaLogLevel.error,
  });
  const modelPath = inCheckout('models', 'SmolLM2-135M-Instruct.Q8_0.gguf');
  const model = await llama.loadModel({ modelPath, vocabOnly: true, gpuLayers: 0 });
  const renderer = createRenderer(model);
  const request = requestMaker();
  const prompts = examples.map(({ inputs }) => request(inputs).prompt);
  renderer.prompt(prompts[0]);
  const renderMs = await millisecondsEach(examples, ({ inputs }) => request(inputs));
  const tokenizeMs = await millisecondsEach(prompts, renderer.prompt);
  await llama.dispose();
  return { renderMs, tokenizeMs, llamaCpp: llama.llamaCppRelease.release };
}

/** CPU time for one item: the median over blocks of a thousand. */
async function millisecondsEach(items, work) {
  const block = 1000;
  const times = [];
  for (let from = 0; from < items.length; from += block) {
    const { cpuSeconds } = await timed(() => items.slice(from, from + block).forEach(work));
    times.push((1000 * cpuSeconds) / block);
  }
  return median(times);
}
