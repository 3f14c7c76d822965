import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { answerPieces, answerPlan } from '../../src/core/chat-format.ts';
import { jsonText } from '../../src/core/chat-layouts.ts';
import type { Fields } from '../../src/core/json.ts';
import { seededRng } from '../../src/core/rng.ts';
import { signature } from '../../src/core/signature.ts';
import { jsonLayout, layoutSchema } from '../../src/lm/openai-compatible/json-layout.ts';
import { cutPieces } from '../../src/lm/openai-compatible/pieces.ts';
import { planGrammar } from '../../src/lm/openai-compatible/plan-grammar.ts';
import { grammarOf } from '../support/gbnf.ts';

const triage = signature({
  inputs: { ticket: z.string() },
  outputs: {
    reasoning: z.string(),
    team: z.enum(['account', 'account closure', 'say "no"', 'a\\b']),
    urgent: z.boolean(),
    cost: z.number(),
    parts: z.array(z.object({ name: z.string(), known: z.boolean().nullable() })),
  },
});
const outputs = fc.record({
  reasoning: fc.string({ minLength: 1 }).filter((text) => text.trim() === text && !/[\n\r]/.test(text)),
  team: fc.constantFrom('account', 'account closure', 'say "no"', 'a\\b'),
  urgent: fc.boolean(),
  cost: fc.integer({ min: -1e6, max: 1e6 }).map((cents) => cents / 100),
  parts: fc.array(fc.record({ name: fc.string(), known: fc.option(fc.boolean()) })),
});
const formats = ['json', 'lines', 'markers'] as const;
const planOf = (chatFormat: (typeof formats)[number]) => {
  const plan = answerPlan(triage, { chatFormat, decoding: 'constrained' });
  return plan ?? expect.fail('constrained answers have a plan');
};

describe.each(formats)('in the format "%s"', (chatFormat) => {
  const plan = planOf(chatFormat);
  const piecesOf = (values: Fields) => answerPieces(triage, { chatFormat, decoding: 'constrained' }, values);

  test('the text of an answer is cut where its pieces were joined', () => {
    fc.assert(
      fc.property(outputs, (values) => {
        const pieces = piecesOf(values);
        expect(cutPieces(plan, pieces.join(''))).toEqual(pieces);
        expect(
          cutPieces(plan, ` ${pieces.join('')}\n`)
            ?.join('')
            .trim(),
        ).toBe(pieces.join('').trim());
      }),
    );
  });

  test('the grammar of the whole plan accepts every answer, and none with a part too few', () => {
    const grammar = grammarOf(planGrammar(plan));
    fc.assert(
      fc.property(outputs, (values) => {
        const pieces = piecesOf(values);
        expect([pieces, pieces.slice(1), pieces.slice(0, -1)].map((some) => grammar.accepts(some.join('')))).toEqual([
          true,
          false,
          false,
        ]);
      }),
    );
  });

  test('what follows the grammar is cut into pieces', () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const text = grammarOf(planGrammar(plan)).sample(seededRng(seed));
        expect(cutPieces(plan, text)?.join('')).toBe(text);
      }),
      { numRuns: 30 },
    );
  });
});

test('a JSON answer is read whatever its blanks and the order of its members', () => {
  const plan = planOf('json');
  fc.assert(
    fc.property(outputs, fc.constantFrom(undefined, 2), (values, indent) => {
      const turned = Object.fromEntries(Object.entries(values).reverse());
      const pieces = cutPieces(plan, `Here it is:\n${JSON.stringify(turned, null, indent)}\nBye!`);
      expect(JSON.parse(pieces?.join('') ?? '')).toEqual(JSON.parse(jsonText(values)));
    }),
  );
});

test.each(['', 'Hello!', '{}', '{"reasoning": "x"}', '{"reasoning": 1, "team": "none"}'])(
  'the text %j follows no plan',
  (text) => {
    for (const chatFormat of formats) expect(cutPieces(planOf(chatFormat), text)).toBeNull();
  },
);

test('a free answer is one piece', () => {
  expect(cutPieces(null, ' Hello! ')).toEqual([' Hello! ']);
});

test('the schema of a plan is the one that zod writes for the outputs', () => {
  const layout = jsonLayout(planOf('json')) ?? expect.fail('a JSON plan has a layout');
  const { $schema: _, ...wanted } = z.toJSONSchema(triage.outputs);
  const { properties, ...rest } = layoutSchema(layout);
  // zod names the type of an enum and of a boolean; the closed set says as much.
  const { team, urgent, ...open } = z.object(triage.outputs.shape).shape;
  expect(rest).toEqual({ type: wanted.type, required: wanted.required, additionalProperties: false });
  expect(properties).toEqual({
    ...z.toJSONSchema(z.object(open)).properties,
    team: { enum: team.options },
    urgent: { enum: urgent.safeParse(true).success ? [true, false] : [] },
  });
});

test('a plan of another layout has no JSON schema', () => {
  expect([jsonLayout(planOf('lines')), jsonLayout(planOf('markers'))]).toEqual([null, null]);
});
