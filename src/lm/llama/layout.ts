import { GgufInsights, type Llama, readGgufFileInfo } from 'node-llama-cpp';
import type { MemoryNeed } from '../../core/lm.ts';
import { freeMemoryBytes } from '../../system/hardware.ts';
import { type Layout, layoutOf, type OpenOrder } from './protocol.ts';

/** Tokens of a context that nobody has asked for more of: prompts of a few demos, and questions to a prompt model. */
const usualContextTokens = 2048;

/** No more than this is taken by itself: one endless row must not take the memory of all others. */
const mostContextTokens = 8192;

type Sizes = Pick<Layout, 'threads' | 'batchTokens' | 'contextTokens'>;

/** The layout of an earlier opening, or the one that model, wishes and free memory lead to. */
export async function chooseLayout(order: OpenOrder, llama: Llama, insights: GgufInsights): Promise<Layout> {
  const device = await deviceName(llama);
  if (order.earlier) return { ...layoutOf(order.earlier), device };
  const sizes = sizesFor(order, insights);
  const sequences = order.wishes.sequences ?? (await defaultSequences(llama, insights, sizes));
  return { device, ...sizes, sequences };
}

function sizesFor({ wishes, neededTokens }: OpenOrder, { trainContextSize }: GgufInsights): Sizes {
  const contextTokens = wishes.contextTokens ?? Math.min(Math.max(usualContextTokens, neededTokens), mostContextTokens);
  // Rounded up here as the library does it, so that the number recorded is the number used.
  const rounded = Math.ceil(contextTokens / 256) * 256;
  return {
    threads: wishes.threads,
    batchTokens: wishes.batchTokens ?? 512,
    contextTokens: Math.min(rounded, trainContextSize ?? rounded),
  };
}

async function deviceName(llama: Llama): Promise<string> {
  if (llama.gpu === false) return 'cpu';
  return `${llama.gpu}: ${(await llama.getGpuDeviceNames()).join(', ')}`;
}

/** As many rows at once as fit in four fifths of the free memory of the device: up to 32 on a GPU; up to 8 on a CPU, which more rows do not
 * make faster. */
async function defaultSequences(llama: Llama, insights: GgufInsights, sizes: Sizes): Promise<number> {
  const isCpu = llama.gpu === false;
  const free = isCpu ? freeMemoryBytes() : (await llama.getVramState()).free;
  for (const sequences of isCpu ? [8, 4, 2] : [32, 16, 8, 4, 2]) {
    const { cpuRam, gpuVram } = await contextNeed(llama, insights, { ...sizes, sequences });
    if ((isCpu ? cpuRam : gpuVram) < 0.8 * free) return sequences;
  }
  return 1;
}

/** Twice what one takes, because two contexts may be open at once, one for each adapter. */
async function contextNeed(llama: Llama, insights: GgufInsights, layout: Omit<Layout, 'threads' | 'device'>) {
  const { cpuRam, gpuVram } = await insights.estimateContextResourceRequirementsV2({
    contextSize: layout.contextTokens,
    batchSize: layout.batchTokens,
    sequences: layout.sequences,
    modelGpuLayers: layersOn(llama, insights),
    flashAttention: false,
    swaFullCache: true,
  });
  return { cpuRam: 2 * cpuRam, gpuVram: 2 * gpuVram };
}

/** All layers or none: a model that is split between devices by what memory is free today is another engine tomorrow. */
const layersOn = ({ gpu }: Llama, { totalLayers }: GgufInsights): number => (gpu === false ? 0 : totalLayers);

// With fewer rows at once a GPU would mostly wait: a model that finds less room than that has others closed.
const fewestSequences = 8;

/** What the model will take of the GPU's memory, in the layout of an earlier opening or the smallest that it should have. */
export async function memoryNeed(order: OpenOrder, llama: Llama): Promise<MemoryNeed> {
  const file = await readGgufFileInfo(order.gguf, { sourceType: 'filesystem', logWarnings: false });
  const insights = await GgufInsights.from(file, llama);
  const { earlier, wishes } = order;
  const sequences = wishes.sequences ?? fewestSequences;
  const layout = earlier ? layoutOf(earlier) : { ...sizesFor(order, insights), sequences };
  const gpuLayers = layersOn(llama, insights);
  const weights = await insights.estimateModelResourceRequirementsV2({ gpuLayers });
  const contexts = await contextNeed(llama, insights, layout);
  return { bytes: weights.gpuVram + contexts.gpuVram, freeBytes: (await llama.getVramState()).free };
}
