import { writeFileSync } from 'node:fs';
import { seededRng } from '../../src/core/rng.ts';
import { bool, float, floats, ggufBytes, ints, type Scalar, string, strings, uint } from './gguf.ts';

// A llama of 150 kB with random weights: real native code, opened in a moment. What it says is noise, but the same noise every time.
const size = { embedding: 64, layers: 2, heads: 4, keyHeads: 2, feedForward: 128, context: 1024 };

/** Byte-level BPE and ChatML, as SmolLM2 and Qwen have them; or sentencepiece, a BOS and a template that refuses a system role. */
export type TinyKind = 'bpe' | 'sentencepiece';

export function writeTinyModel(path: string, kind: TinyKind = 'bpe', contextTokens = size.context): string {
  const { tokens, metadata } = kind === 'bpe' ? bpe() : sentencepiece();
  const weights = randomWeights(tokens).map(({ name, shape, values }) =>
    shape.length === 1
      ? { name, shape, type: 0, bytes: Buffer.from(values.buffer) }
      : { name, shape, type: 8, bytes: quantized(values) },
  );
  let offset = 0;
  const tensors = weights.map(({ name, shape, type, bytes }) => {
    const tensor = { name, shape, type, offset };
    offset += Math.ceil(bytes.length / 32) * 32;
    return tensor;
  });
  const data = Buffer.alloc(offset);
  for (const [index, { bytes }] of weights.entries()) bytes.copy(data, tensors[index]!.offset);
  writeFileSync(path, ggufBytes({ metadata: [...architecture(contextTokens), ...metadata], tensors, data }));
  return path;
}

/** As Q8_0: 32 numbers in a byte each behind their scale, a half float; ours are powers of two, which are easy to write. */
function quantized(values: Float32Array): Buffer {
  const blocks = Array.from({ length: values.length / 32 }, (_, index) => {
    const block = values.subarray(index * 32, index * 32 + 32);
    const exponent = Math.ceil(Math.log2(Math.max(...block.map(Math.abs)) / 127));
    const bytes = Buffer.alloc(34);
    bytes.writeUInt16LE((exponent + 15) << 10);
    for (const [place, value] of block.entries()) bytes.writeInt8(Math.round(value / 2 ** exponent), 2 + place);
    return bytes;
  });
  return Buffer.concat(blocks);
}

const architecture = (contextTokens: number): readonly (readonly [string, Scalar])[] => [
  ['general.architecture', string('llama')],
  ['general.name', string('tiny')],
  ['general.file_type', uint(7)],
  ['llama.context_length', uint(contextTokens)],
  ['llama.embedding_length', uint(size.embedding)],
  ['llama.block_count', uint(size.layers)],
  ['llama.feed_forward_length', uint(size.feedForward)],
  ['llama.attention.head_count', uint(size.heads)],
  ['llama.attention.head_count_kv', uint(size.keyHeads)],
  ['llama.rope.dimension_count', uint(size.embedding / size.heads)],
  ['llama.attention.layer_norm_rms_epsilon', float(1e-5)],
];

const normal = 1;
const unknown = 2;
const control = 3;
const byte = 6;

function bpe() {
  const specials = ['<|begin|>', '<|im_start|>', '<|im_end|>'];
  const merges = [
    'Ġ t',
    'Ġ a',
    'i n',
    'e r',
    'o n',
    'Ġt h',
    'b i',
    'l l',
    'in g',
    'bi ll',
    'bill ing',
    'd e',
    '" }',
    '{ "',
  ];
  const plain = [...byteLetters(), ...merges.map((pair) => pair.replace(' ', ''))];
  const template =
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}" +
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";
  const metadata: [string, Scalar][] = [
    ['tokenizer.ggml.model', string('gpt2')],
    ['tokenizer.ggml.pre', string('smollm')],
    ['tokenizer.ggml.tokens', strings(...specials, ...plain)],
    ['tokenizer.ggml.token_type', ints([...specials.map(() => control), ...plain.map(() => normal)])],
    ['tokenizer.ggml.merges', strings(...merges)],
    ['tokenizer.ggml.bos_token_id', uint(0)],
    ['tokenizer.ggml.eos_token_id', uint(2)],
    ['tokenizer.ggml.add_bos_token', bool(false)],
    ['tokenizer.chat_template', string(template)],
  ];
  return { tokens: specials.length + plain.length, metadata };
}

/** GPT-2's printable stand-ins for the 256 bytes. */
function byteLetters(): string[] {
  const isPrintable = (code: number) => (code > 32 && code < 127) || (code > 160 && code !== 173);
  let stand = 256;
  return Array.from({ length: 256 }, (_, code) => String.fromCodePoint(isPrintable(code) ? code : stand++));
}

function sentencepiece() {
  const specials = ['<unk>', '<s>', '</s>'];
  const bytes = Array.from({ length: 256 }, (_, code) => `<0x${code.toString(16).toUpperCase().padStart(2, '0')}>`);
  const words = ['▁', '▁the', 'bill', 'ing', '▁bill', 'delivery', '▁delivery', '[INST]', '[/INST]', '{"', '"}', '":'];
  const letters = Array.from({ length: 95 }, (_, index) => String.fromCodePoint(32 + index)).filter(
    (letter) => letter !== ' ',
  );
  const plain = [...words, ...letters];
  const template =
    "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}" +
    "{% elif message['role'] == 'assistant' %}{{ ' ' + message['content'] + eos_token }}" +
    "{% else %}{{ raise_exception('Only user and assistant roles are supported') }}{% endif %}{% endfor %}";
  const metadata: [string, Scalar][] = [
    ['tokenizer.ggml.model', string('llama')],
    ['tokenizer.ggml.tokens', strings(...specials, ...bytes, ...plain)],
    ['tokenizer.ggml.scores', floats([...specials, ...bytes, ...plain].map((_, index) => -index))],
    [
      'tokenizer.ggml.token_type',
      ints([unknown, control, control, ...bytes.map(() => byte), ...plain.map(() => normal)]),
    ],
    ['tokenizer.ggml.bos_token_id', uint(1)],
    ['tokenizer.ggml.eos_token_id', uint(2)],
    ['tokenizer.ggml.unknown_token_id', uint(0)],
    ['tokenizer.ggml.add_bos_token', bool(true)],
    ['tokenizer.chat_template', string(template)],
  ];
  return { tokens: specials.length + bytes.length + plain.length, metadata };
}

/** Blocks that write about as much into the stream as the embeddings do, so that an answer depends on the whole prompt. */
function randomWeights(tokens: number) {
  const rng = seededRng('tiny model');
  const normalDraw = () => Math.sqrt(-2 * Math.log(1 - rng.next())) * Math.cos(2 * Math.PI * rng.next());
  const matrix = (name: string, rows: number, columns: number, gain: number) => ({
    name: `${name}.weight`,
    shape: [columns, rows],
    values: Float32Array.from({ length: rows * columns }, () => (normalDraw() * gain) / Math.sqrt(columns)),
  });
  const ones = (name: string) => ({
    name: `${name}.weight`,
    shape: [size.embedding],
    values: new Float32Array(size.embedding).fill(1),
  });
  const { embedding, feedForward } = size;
  const keys = (embedding / size.heads) * size.keyHeads;
  const block = (index: number) => [
    ones(`blk.${index}.attn_norm`),
    matrix(`blk.${index}.attn_q`, embedding, embedding, 1.5),
    matrix(`blk.${index}.attn_k`, keys, embedding, 1.5),
    matrix(`blk.${index}.attn_v`, keys, embedding, 1),
    matrix(`blk.${index}.attn_output`, embedding, embedding, 1),
    ones(`blk.${index}.ffn_norm`),
    matrix(`blk.${index}.ffn_gate`, feedForward, embedding, 1),
    matrix(`blk.${index}.ffn_up`, feedForward, embedding, 1),
    matrix(`blk.${index}.ffn_down`, embedding, feedForward, 1),
  ];
  const blocks = Array.from({ length: size.layers }, (_, index) => block(index)).flat();
  return [matrix('token_embd', tokens, embedding, 2), ...blocks, ones('output_norm')];
}
