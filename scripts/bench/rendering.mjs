import { getLlama, LlamaLogLevel } from 'node-llama-cpp';
import { inCheckout } from '../setup/checkout.mjs';
import { timed } from './interleaved.mjs';
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
  const milliseconds = async (work) => (1000 * (await timed(work)).cpuSeconds) / examples.length;
  const renderMs = await milliseconds(() => {
    for (const { inputs } of examples) request(inputs);
  });
  const tokenizeMs = await milliseconds(() => {
    for (const prompt of prompts) renderer.prompt(prompt);
  });
  await llama.dispose();
  return { renderMs, tokenizeMs, llamaCpp: llama.llamaCppRelease.release };
}
