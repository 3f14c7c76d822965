import { basename } from 'node:path';
import {
  getLlama,
  getLlamaGpuTypes,
  getModuleVersion,
  type Llama,
  LlamaLogLevel,
  type LlamaModel,
  NoBinaryFoundError,
} from 'node-llama-cpp';
import { InputError, WorldError } from '../../core/errors.ts';
import type { Engine, MakeRoom } from '../../core/lm.ts';
import type { Notice } from '../../core/notice.ts';
import { chooseLayout, memoryNeed } from './layout.ts';
import type { LogLines } from './log-lines.ts';
import type { OpenOrder } from './protocol.ts';

/** The loaded model, what computes it, and in which layout. */
export interface OpenedModel {
  readonly llama: Llama;
  readonly model: LlamaModel;
  readonly engine: Omit<Engine, 'reproducible'>;
  readonly notices: readonly Notice[];
}

export interface OpeningEvents {
  onProgress(): void;
  /** Asked before memory of a GPU is taken. */
  readonly makeRoom: MakeRoom;
}

export async function openModel(order: OpenOrder, log: LogLines, events: OpeningEvents): Promise<OpenedModel> {
  const { llama, notices } = await startLlama(deviceOf(order), log);
  if (llama.gpu !== false) await events.makeRoom(await memoryNeed(order, llama));
  const model = await loadModel(llama, order.gguf, log, events.onProgress);
  const layout = await chooseLayout(order, llama, model.fileInsights);
  const { release } = llama.llamaCppRelease;
  const engine = {
    name: 'node-llama-cpp',
    version: await getModuleVersion(),
    method,
    build: `llama.cpp ${release} ${llama.buildType}`,
    backend: backendOf(log),
    ...layout,
  };
  return { llama, model, engine, notices };
}

// 2: a greedy choice may go by any token that begins a label, not only by the label's own. 3: an answer counts where a grammar overruled the
// model in sampled values, too.
const method = 3;

/** At a resume what was settled at the first start, never what the machine offers now. */
function deviceOf({ device, earlier }: OpenOrder): OpenOrder['device'] {
  const settled = earlier?.device.split(':')[0];
  return settled === 'cpu' || settled === 'cuda' || settled === 'metal' ? settled : device;
}

interface Started {
  readonly llama: Llama;
  readonly notices: readonly Notice[];
}

async function startLlama(device: OpenOrder['device'], log: LogLines): Promise<Started> {
  if (device !== 'auto') return { llama: await llamaOn(device, log), notices: [] };
  const offered = (await getLlamaGpuTypes('supported')).find((type) => type === 'cuda' || type === 'metal');
  if (!offered) return { llama: await llamaOn('cpu', log), notices: [] };
  try {
    return { llama: await llamaOn(offered, log), notices: [] };
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    const message = `This machine seems to have a GPU (${offered}), but it cannot be used: ${error.message} The model runs on the CPU. ${error.hint}`;
    return { llama: await llamaOn('cpu', log), notices: [{ code: 'gpu-unused', message }] };
  }
}

async function llamaOn(device: 'cpu' | 'cuda' | 'metal', log: LogLines): Promise<Llama> {
  const gpu = device === 'cpu' ? false : device;
  try {
    // Only what is installed, never a download or a build; `maxThreads: 0` makes `threads` exact instead of a hint.
    const llama = await getLlama({
      gpu,
      build: 'never',
      skipDownload: true,
      progressLogs: false,
      maxThreads: 0,
      logLevel: LlamaLogLevel.log,
      logger: log.add,
    });
    if (llama.gpu !== gpu) throw new Error(`it came up on ${llama.gpu === false ? 'the CPU' : llama.gpu}`);
    return llama;
  } catch (cause) {
    throw await unavailable(device, cause, log);
  }
}

async function unavailable(device: 'cpu' | 'cuda' | 'metal', cause: unknown, log: LogLines): Promise<Error> {
  const reason = `${inWords(cause)}${await log.quoted()}`;
  if (device === 'cpu')
    return new WorldError(
      'no-native-code',
      `llama.cpp could not be started: ${reason}`,
      'Run `npm install` again on this machine: the package @node-llama-cpp/<platform> is missing or does not fit (glibc is needed on Linux).',
      { cause },
    );
  const hint =
    device === 'cuda'
      ? 'Install the NVIDIA driver and the package @node-llama-cpp/linux-x64-cuda (npm leaves it out with --omit=optional), or use device "cpu".'
      : 'Metal needs a Mac with Apple silicon; use device "cpu" elsewhere.';
  return new InputError('device-missing', [`The device "${device}" cannot be used: ${reason}`], hint, { cause });
}

function inWords(error: unknown): string {
  if (error instanceof NoBinaryFoundError) return 'no llama.cpp for it that works here is installed.';
  return error instanceof Error ? error.message : String(error);
}

async function loadModel(llama: Llama, gguf: string, log: LogLines, onProgress: () => void): Promise<LlamaModel> {
  try {
    // All layers or none: a model that is split between devices by what memory is free today is another engine tomorrow.
    const gpuLayers = llama.gpu === false ? 0 : 'max';
    // Flash attention is off, see context.ts; a context for embeddings has it from here.
    return await llama.loadModel({
      modelPath: gguf,
      gpuLayers,
      checkTensors: true,
      onLoadProgress: () => onProgress(),
      defaultContextFlashAttention: false,
    });
  } catch (cause) {
    const reason = inWords(cause);
    const hint =
      llama.gpu === false
        ? 'The log lines say why. A damaged file has to be fetched again; an architecture newer than llama.cpp needs a newer node-llama-cpp.'
        : 'The log lines say why. If the model does not fit into the memory of the GPU, use a smaller quantisation or device "cpu".';
    throw new WorldError(
      'model-not-loaded',
      `The model "${gguf}" could not be loaded: ${reason}${await log.quoted()}`,
      hint,
      { cause },
    );
  }
}

/** Which of the backend files was picked for this processor: it changes results by itself. */
function backendOf(log: LogLines): string {
  const line = log.find(/load_backend: loaded .* from (.*)/);
  return line ? basename(line.trim()) : 'unknown';
}
