import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { InputError } from '../../src/core/errors.ts';
import { readModelFile } from '../../src/lm/llama/base-model.ts';
import { GgufHeaderLonger, GgufMistake, parseGgufHeader } from '../../src/lm/llama/gguf-header.ts';
import { arrayOf, ggufBytes, modelMetadata, string, strings, uint } from '../support/gguf.ts';
import { defaultModel } from '../support/models.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'better-together-test-'));
});
afterAll(() => rm(folder, { recursive: true }));

let files = 0;
async function fileOf(content: Buffer | string): Promise<string> {
  const path = join(folder, `model-${files++}.gguf`);
  await writeFile(path, content);
  return path;
}

/** The code and the message of the refusal. */
async function refusalOf(path: string): Promise<{ code: string; message: string; hint: string }> {
  const error = await readModelFile(path).then(
    () => expect.fail(`${path} was accepted`),
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof InputError)) throw error;
  return { code: error.code, message: error.message, hint: error.hint };
}

const withMetadata = (...added: (typeof modelMetadata)[number][]) =>
  ggufBytes({ metadata: [...modelMetadata, ...added] });
const ofArchitecture = (name: string, size: (typeof modelMetadata)[number]) =>
  ggufBytes({ metadata: [['general.architecture', string(name)], size] });
const tensor = { name: 'a', shape: [4, 4], type: 0, offset: 0 };

describe('a model file', () => {
  test('is named by its content and described by its header', async () => {
    expect((await readModelFile(defaultModel)).base).toEqual({
      sha256: '0c1d3326cd9793cfb7296113c063dd5c24e2bd734b48ec1a3d01b7158eca9387',
      path: defaultModel,
      name: 'Smollm2 135M 8k Lc100K Mix1 Ep2',
      architecture: 'llama',
      parameters: 134515008,
      layers: 30,
      vocabularySize: 49152,
      trainedContextTokens: 8192,
      fileType: 'Q8_0',
    });
  });

  test('without a name is called after its file, without a file type after its largest tensors', async () => {
    const path = await fileOf(
      ggufBytes({
        metadata: [['general.architecture', string('llama')]],
        tensors: [
          { name: 'norm', shape: [4], type: 0, offset: 0 },
          { name: 'weight', shape: [32, 8], type: 8, offset: 32 },
        ],
        data: Buffer.alloc(32 + 8 * 34),
      }),
    );
    const { base, hasChatTemplate } = await readModelFile(path);
    expect(base).toMatchObject({
      name: path.split('/').at(-1)!.replace('.gguf', ''),
      fileType: 'Q8_0',
      parameters: 260,
    });
    expect(hasChatTemplate).toBe(false);
  });
});

describe('a file that is no whole model is refused with the fact and a remedy:', () => {
  test('there is none', async () => {
    const { code, message, hint } = await refusalOf(join(folder, 'absent.gguf'));
    expect({ code, message }).toEqual({
      code: 'gguf-missing',
      message: `There is no model file at "${join(folder, 'absent.gguf')}".`,
    });
    expect(hint).toContain('npm run setup');
  });

  test('a folder', async () => {
    const path = join(folder, 'folder');
    await mkdir(path);
    expect(await refusalOf(path)).toMatchObject({ code: 'gguf-folder' });
  });

  test('cut off: how many bytes are missing', async () => {
    const whole = ggufBytes();
    const path = await fileOf(whole.subarray(0, -20));
    const { code, message } = await refusalOf(path);
    expect({ code, message }).toEqual({
      code: 'gguf-truncated',
      message: `The model file "${path}" is cut off: 20 of its ${whole.length} bytes are missing.`,
    });
  });

  test.each([
    ['empty', Buffer.alloc(0), 'gguf-empty', 'is empty'],
    ['a text', 'once upon a time', 'gguf-magic', 'does not start with "GGUF"'],
    ['three bytes', 'GGU', 'gguf-magic', 'does not start with "GGUF"'],
    ['another version', ggufBytes({ version: 1 }), 'gguf-version', 'version 1'],
    ['big-endian', ggufBytes({ version: 0x03000000 }), 'gguf-version', 'version 50331648'],
    ['cut off in the header', ggufBytes().subarray(0, 100), 'gguf-truncated', 'ends inside its header'],
    ['billions of keys', ggufBytes({ keyCount: 2n ** 40n }), 'gguf-absurd', 'claims 1099511627776 keys'],
    ['billions of tensors', ggufBytes({ tensorCount: 2n ** 63n }), 'gguf-absurd', 'tensors'],
    ['an endless array', withMetadata(['a', arrayOf(8, 2n ** 50n)]), 'gguf-absurd', 'items in "a"'],
    ['an array of arrays', withMetadata(['a', arrayOf(9, 1)]), 'gguf-absurd', 'array of value type 9'],
    ['an unknown value type', withMetadata(['a', { type: 77, bytes: Buffer.alloc(4) }]), 'gguf-absurd', 'type 77'],
    ['a key twice', withMetadata(['general.name', string('Other')]), 'gguf-duplicate', '"general.name" twice'],
    ['a tensor twice', ggufBytes({ tensors: [tensor, tensor] }), 'gguf-duplicate', 'tensor "a" twice'],
    ['an odd alignment', withMetadata(['general.alignment', uint(48)]), 'gguf-absurd', 'alignment'],
    ['an unaligned tensor', ggufBytes({ tensors: [{ ...tensor, offset: 4 }] }), 'gguf-absurd', 'not aligned'],
    [
      'too many dimensions',
      ggufBytes({ tensors: [{ ...tensor, shape: [1, 1, 1, 1, 1] }] }),
      'gguf-absurd',
      '5 dimensions',
    ],
    [
      'a tensor of exabytes',
      ggufBytes({ tensors: [{ ...tensor, shape: [2 ** 30, 2 ** 30] }] }),
      'gguf-absurd',
      'shape',
    ],
    ['a tensor of nothing', ggufBytes({ tensors: [{ ...tensor, shape: [4, 0] }] }), 'gguf-absurd', 'shape 4 x 0'],
    ['a tensor type from nowhere', ggufBytes({ tensors: [{ ...tensor, type: 1000 }] }), 'gguf-absurd', 'type 1000'],
    ['no layers', ofArchitecture('odd', ['odd.block_count', uint(0)]), 'gguf-absurd', '0 as "odd.block_count"'],
    ['a million layers', ofArchitecture('odd', ['odd.block_count', uint(1e6)]), 'gguf-absurd', '1 to 512'],
    [
      'an endless context',
      ofArchitecture('odd', ['odd.context_length', uint(2 ** 32 - 1)]),
      'gguf-absurd',
      '"odd.context_length"',
    ],
    ['half a block', ggufBytes({ tensors: [{ ...tensor, shape: [33], type: 8 }] }), 'gguf-absurd', 'row of 33'],
    ['an adapter', withMetadata(['general.type', string('adapter')]), 'gguf-adapter', 'LoRA adapter'],
    ['a projector', withMetadata(['general.type', string('mmproj')]), 'gguf-kind', '"mmproj"'],
    ['one part of several', withMetadata(['split.count', uint(3)]), 'gguf-split', 'one of 3 parts'],
    ['a vocabulary only', ggufBytes({ tensors: [] }), 'gguf-no-model', '0 tensors'],
    ['no architecture', ggufBytes({ metadata: [['tokens', strings('a')]] }), 'gguf-no-model', 'no architecture'],
  ])('%s', async (_, content, code, fact) => {
    const refusal = await refusalOf(await fileOf(content));
    expect(refusal.code).toBe(code);
    expect(refusal.message).toContain(fact);
    expect(refusal.hint).toMatch(/\w{3}.*\.$/);
  });
});

test('a header is read or refused by name, whatever bytes are changed', () => {
  const whole = ggufBytes();
  const change = fc.record({ at: fc.nat(whole.length - 1), byte: fc.nat(255) });
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 8 }), fc.nat(whole.length), (changes, length) => {
      const bytes = Buffer.from(whole);
      for (const { at, byte } of changes) bytes[at] = byte;
      try {
        parseGgufHeader(bytes.subarray(0, length), whole.length);
      } catch (error) {
        if (!(error instanceof GgufMistake || error instanceof GgufHeaderLonger)) throw error;
      }
    }),
    { numRuns: 2000, seed: 1 },
  );
});
