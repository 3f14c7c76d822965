import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import type { ChatFormatName, PredictorState } from '../../src/core/candidate.ts';
import { answerPieces, answerPlan, parseAnswer, renderPrompt } from '../../src/core/chat-format.ts';
import type { Fields, Json } from '../../src/core/json.ts';
import type { AnswerPart } from '../../src/core/lm.ts';
import { seededRng } from '../../src/core/rng.ts';
import { type Signature, signature } from '../../src/core/signature.ts';
import { grammarOf } from '../support/gbnf.ts';
import { line, outputTypes } from '../support/output-types.ts';

interface Case {
  readonly signature: Signature;
  readonly outputs: Fields;
  readonly state: PredictorState;
}

interface Output {
  readonly type: z.ZodType;
  readonly value: Json;
}

const outputOf = (format: ChatFormatName): fc.Arbitrary<Output> =>
  outputTypes(2, format !== 'json').chain(({ type, values }) => values.map((value) => ({ type, value })));

const caseOf = (format: ChatFormatName): fc.Arbitrary<Case> =>
  fc
    .dictionary(fc.stringMatching(/^[A-Za-z_]\w{0,8}$/), outputOf(format), {
      minKeys: 1,
      maxKeys: format === 'value' ? 1 : 3,
      noNullPrototype: true,
    })
    .map((fields) => {
      const entries = Object.entries(fields).map(([name, output]): [string, Output] => [`${name}_`, output]);
      const outputs = Object.fromEntries(entries.map(([name, { value }]) => [name, value]));
      const types = Object.fromEntries(entries.map(([name, { type }]) => [name, type]));
      return {
        signature: signature({ instructions: 'Read it.', inputs: { ticket: z.string() }, outputs: types }),
        outputs,
        state: {
          instructions: 'Read it.',
          demos: [{ inputs: { ticket: 'Hello?' }, outputs, source: 'e1' }],
          chatFormat: format,
          choice: 'greedy',
          decoding: 'constrained',
          model: { base: 'b', adapter: null },
        },
      };
    });

/** What a piece must be for its part of the plan. */
function expectFits(part: AnswerPart | undefined, piece: string): void {
  if (part?.type === 'text') expect(piece).toBe(part.text);
  else if (part?.type === 'choice') expect(part.options).toContain(piece);
  else if (part?.type === 'value') {
    expect(grammarOf(part.grammar).accepts(piece), `${JSON.stringify(piece)} under ${part.grammar}`).toBe(true);
    expectEnded(part.end, piece);
  } else expect.fail(`there is no part for the piece ${JSON.stringify(piece)}`);
}

function expectEnded(end: Extract<AnswerPart, { type: 'value' }>['end'], piece: string): void {
  switch (end.kind) {
    case 'json-string':
      expect(JSON.parse(`"${piece}`)).toBeTypeOf('string');
      break;
    case 'json':
      expect(piece.endsWith(end.after)).toBe(true);
      expect(() => JSON.parse(piece.slice(0, piece.length - end.after.length))).not.toThrow();
      break;
    case 'text':
      expect(piece.indexOf(end.text)).toBe(piece.length - end.text.length);
      break;
    case 'turn':
      expect(piece).not.toContain('\n');
  }
}

describe.each<ChatFormatName>(['json', 'value', 'lines', 'markers'])('the chat format %s', (format) => {
  const cases = caseOf(format);
  const law = (seed: number) => ({ seed, numRuns: 50 });

  test('reads what it writes', () => {
    fc.assert(
      fc.property(cases, ({ signature, outputs, state }) => {
        const answer = answerPieces(signature, state, outputs).join('');
        expect(parseAnswer(signature, format, answer)).toEqual(outputs);
      }),
      law(1),
    );
  });

  test('has the borders of its plan in the pieces of an answer', () => {
    fc.assert(
      fc.property(cases, ({ signature, outputs, state }) => {
        const plan = answerPlan(signature, state) ?? [];
        const pieces = answerPieces(signature, state, outputs);
        expect(pieces).toHaveLength(plan.length);
        for (const [index, piece] of pieces.entries()) expectFits(plan[index], piece);
      }),
      law(2),
    );
  });

  test('ends with the turn only in its last part', () => {
    fc.assert(
      fc.property(cases, ({ signature, state }) => {
        const plan = answerPlan(signature, state) ?? [];
        const early = plan.slice(0, -1).filter((part) => part.type === 'value' && part.end.kind === 'turn');
        expect(early).toEqual([]);
      }),
      law(3),
    );
  });

  test('reads whatever its grammars write', () => {
    const written = fc.tuple(cases, fc.nat()).map(([{ signature, state }, seed]) => {
      const rng = seededRng(seed);
      const pieces = (answerPlan(signature, state) ?? []).map((part) => {
        if (part.type === 'text') return part.text;
        return part.type === 'choice'
          ? part.options[rng.int(part.options.length)]!
          : grammarOf(part.grammar).sample(rng);
      });
      return { signature, answer: pieces.join('') };
    });
    fc.assert(
      fc.property(written, ({ signature, answer }) => {
        const outputs = parseAnswer(signature, format, answer);
        expect(Object.keys(outputs)).toEqual(signature.outputFields.map(({ name }) => name));
      }),
      law(4),
    );
  });

  test('shows a demo as a whole turn, with the answer as the model would give it', () => {
    fc.assert(
      fc.property(cases, ({ signature, outputs, state }) => {
        const assistant = answerPieces(signature, state, outputs).join('');
        expect(renderPrompt(signature, state, { ticket: 'Now?' })).toMatchObject({
          turns: [{ user: 'Hello?', assistant }],
          user: 'Now?',
        });
      }),
      law(5),
    );
  });

  test('is one piece when it is decoded freely', () => {
    fc.assert(
      fc.property(cases, ({ signature, outputs, state }) => {
        const free = { ...state, decoding: 'free' as const };
        expect(answerPlan(signature, free)).toBe(null);
        expect(answerPieces(signature, free, outputs)).toEqual([answerPieces(signature, state, outputs).join('')]);
      }),
      law(6),
    );
  });

  test('says every name, label and description in the system text', () => {
    fc.assert(
      fc.property(fc.uniqueArray(line, { minLength: 1, maxLength: 4 }), line, ([first, ...others], description) => {
        const asking = signature({
          inputs: { ticket: z.string().describe('what the customer wrote') },
          outputs: { team: z.enum([first!, ...others]).describe(description) },
        });
        const state = { ...stateOf(format), instructions: 'Route it.' };
        const { system } = renderPrompt(asking, state, { ticket: 'Hello?' });
        const shown = (word: string) => (format === 'json' ? JSON.stringify(word) : word);
        for (const part of [
          'Route it.',
          'what the customer wrote',
          'team',
          description,
          ...[first!, ...others].map(shown),
        ]) {
          if (format !== 'value' || part !== 'team') expect(system).toContain(part);
        }
      }),
      law(7),
    );
  });
});

const stateOf = (chatFormat: ChatFormatName): PredictorState => ({
  instructions: '',
  demos: [],
  chatFormat,
  choice: 'greedy',
  decoding: 'constrained',
  model: { base: 'b', adapter: null },
});
