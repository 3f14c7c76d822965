import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import type { ChatFormatName, PredictorState } from '../../src/core/candidate.ts';
import { answerPieces, answerPlan, formatMistakes, parseAnswer, renderPrompt } from '../../src/core/chat-format.ts';
import { jsonText } from '../../src/core/chat-layouts.ts';
import { ExampleFailure } from '../../src/core/failure.ts';
import { type Signature, signature } from '../../src/core/signature.ts';

const routing = signature({
  instructions: 'Route the ticket.',
  inputs: { ticket: z.string().describe('what the customer wrote') },
  outputs: {
    team: z.enum(['billing', 'delivery']).describe('who answers'),
    urgent: z.boolean(),
    note: z.string().max(40),
    hours: z.int(),
  },
});
const outputs = { team: 'billing', urgent: true, note: 'say "sorry"', hours: 2 };

const stateOf = (chatFormat: ChatFormatName, change: Partial<PredictorState> = {}): PredictorState => ({
  instructions: 'Route the ticket.',
  demos: [],
  chatFormat,
  choice: 'greedy',
  decoding: 'constrained',
  model: { base: 'b', adapter: null },
  ...change,
});

const failureOf = (
  format: ChatFormatName,
  text: string,
  asked: Signature = routing,
): ExampleFailure['failure'] | null => {
  try {
    parseAnswer(asked, format, text);
  } catch (error) {
    if (error instanceof ExampleFailure) return error.failure;
    throw error;
  }
  return null;
};

describe('the prompt', () => {
  test('asks for a JSON object with labels, types, constraints and descriptions', () => {
    expect(renderPrompt(routing, stateOf('json'), { ticket: 'Paid twice.' })).toEqual({
      system: [
        'Route the ticket.',
        'ticket: what the customer wrote',
        'Answer with a JSON object: {"team": one of "billing", "delivery" (who answers), "urgent": one of true, false, ' +
          '"note": text (at most 40 characters), "hours": a whole number}',
      ].join('\n'),
      turns: [],
      user: 'Paid twice.',
    });
  });

  test('may leave labels that are texts unnamed, in every chat format', () => {
    const task = signature("ticket -> team: 'billing' | 'delivery', urgent: boolean");
    const ask = (format: ChatFormatName, asked = task) =>
      renderPrompt(asked, stateOf(format, { labelList: 'omitted' }), { ticket: 'Paid twice.' }).system;
    expect(ask('json')).toContain('{"team": a label, "urgent": one of true, false}');
    expect(ask('lines')).toContain('team: a label\nurgent: one of true, false');
    expect(ask('markers')).toContain('{a label}');
    const team = signature("ticket -> team: 'billing' | 'delivery'");
    expect(ask('value', team)).toContain('Answer with a label only.');
  });

  test('asks for a bare value', () => {
    const { system } = renderPrompt(signature("ticket -> team: 'billing' | 'delivery'"), stateOf('value'), {
      ticket: 'Paid twice.',
    });
    expect(system).toBe('Route the ticket.\nAnswer with one of billing, delivery only.');
  });

  test('asks for lines', () => {
    const { system } = renderPrompt(routing, stateOf('lines'), { ticket: 'Paid twice.' });
    expect(system).toBe(
      [
        'Route the ticket.',
        'ticket: what the customer wrote',
        'Answer with these lines:',
        'team: one of billing, delivery (who answers)',
        'urgent: one of true, false',
        'note: text (at most 40 characters)',
        'hours: a whole number',
      ].join('\n'),
    );
  });

  test("asks in DSPy's markers", () => {
    const { system } = renderPrompt(signature('question -> answer: float'), stateOf('markers'), { question: '1 + 1?' });
    expect(system).toBe(
      'Route the ticket.\nAnswer in this form:\n[[ ## answer ## ]]\n{a number}\n\n[[ ## completed ## ]]',
    );
  });

  test('shows the schema of an output that is JSON', () => {
    const { system } = renderPrompt(signature('text -> tags: list[str]'), stateOf('value'), { text: 'x' });
    expect(system).toContain('JSON of this schema: {"type":"array","items":{"type":"string"}}');
  });

  test('has no empty line for instructions that are empty', () => {
    const { system } = renderPrompt(signature('a -> b'), stateOf('value', { instructions: '' }), { a: 'x' });
    expect(system).toBe('Answer with text only.');
  });

  test('names several inputs, in the order of the signature', () => {
    const { user } = renderPrompt(signature('ticket, age: int, tags: list[str] -> team'), stateOf('json'), {
      tags: ['new', 'vip'],
      age: 30,
      ticket: 'Paid twice.',
    });
    expect(user).toBe('ticket: Paid twice.\nage: 30\ntags: ["new", "vip"]');
  });

  test('leaves out an input that was not given', () => {
    const asked = signature({
      inputs: { ticket: z.string(), age: z.int().optional() },
      outputs: { team: z.string() },
    });
    expect(renderPrompt(asked, stateOf('json'), { ticket: 'Paid twice.' }).user).toBe('ticket: Paid twice.');
  });

  test('shows demos as whole turns, in their order', () => {
    const demos = [
      { inputs: { ticket: 'Paid twice.' }, outputs, source: 'e1' },
      { inputs: { ticket: 'Lost.' }, outputs: { ...outputs, team: 'delivery', urgent: false }, source: 'e2' },
    ];
    expect(renderPrompt(routing, stateOf('json', { demos }), { ticket: 'Now?' }).turns).toEqual([
      { user: 'Paid twice.', assistant: '{"team": "billing", "urgent": true, "note": "say \\"sorry\\"", "hours": 2}' },
      { user: 'Lost.', assistant: '{"team": "delivery", "urgent": false, "note": "say \\"sorry\\"", "hours": 2}' },
    ]);
  });

  test('has the same demos whether decoding is constrained or free', () => {
    const demos = [{ inputs: { ticket: 'Paid twice.' }, outputs, source: 'e1' }];
    const [constrained, free] = (['constrained', 'free'] as const).map((decoding) =>
      renderPrompt(routing, stateOf('lines', { demos, decoding }), { ticket: 'Now?' }),
    );
    expect(free).toEqual(constrained);
  });
});

describe('the pieces of an answer', () => {
  test('of JSON: punctuation and names are forced, a string is sampled to its closing quote, a number to what follows', () => {
    expect(answerPieces(routing, stateOf('json'), outputs)).toEqual([
      '{"team": "',
      'billing',
      '", "urgent": ',
      'true',
      ', "note": "',
      'say \\"sorry\\""',
      ', "hours": ',
      '2}',
    ]);
  });

  test('of JSON that ends with a label: the closing quote is forced', () => {
    expect(answerPieces(signature("a -> n: int, b: 'x' | 'y'"), stateOf('json'), { n: 1, b: 'y' })).toEqual([
      '{"n": ',
      '1,',
      ' "b": "',
      'y',
      '"}',
    ]);
  });

  test('of a bare value: the value alone, which ends with the turn', () => {
    const asked = signature('a -> b');
    expect(answerPieces(asked, stateOf('value'), { b: 'x' })).toEqual(['x']);
    expect(answerPlan(asked, stateOf('value'))).toEqual([
      { type: 'value', grammar: String.raw`root ::= [^\n]+`, end: { kind: 'turn' } },
    ]);
  });

  test('of lines: the name is forced, the value ends with its line, the last one with the turn', () => {
    expect(answerPieces(routing, stateOf('lines'), outputs)).toEqual([
      'team:',
      ' billing\n',
      'urgent:',
      ' true\n',
      'note:',
      ' say "sorry"\n',
      'hours:',
      ' 2',
    ]);
  });

  test("of DSPy's markers: the markers are forced", () => {
    expect(answerPieces(signature('a -> b: int'), stateOf('markers'), { b: 2 })).toEqual([
      '[[ ## b ## ]]\n',
      '2\n\n',
      '[[ ## completed ## ]]',
    ]);
  });

  test('a label that is escaped in JSON is an option as it is escaped', () => {
    const plan = answerPlan(signature(`a -> b: 'say "x"' | 'y'`), stateOf('json'));
    expect(plan?.[1]).toEqual({ type: 'choice', options: ['say \\"x\\"', 'y'] });
  });

  test.each(['value', 'lines', 'markers'] as const)('in %s a text is one line without blanks around it', (format) => {
    const asked = signature('a -> b');
    const answer = answerPieces(asked, stateOf(format), { b: ' one  \n\n two ' }).join('');
    expect(parseAnswer(asked, format, answer)).toEqual({ b: 'one two' });
  });

  test.each(['json', 'value', 'lines', 'markers'] as const)(
    'in %s text that may be null is told from "null"',
    (format) => {
      const asked = signature({ inputs: { a: z.string() }, outputs: { b: z.string().nullable() } });
      const read = (b: string | null) =>
        parseAnswer(asked, format, answerPieces(asked, stateOf(format), { b }).join(''));
      expect([read('null'), read(null)]).toEqual([{ b: 'null' }, { b: null }]);
    },
  );
});

describe('an answer that was written freely', () => {
  test('is found between the braces of some prose', () => {
    expect(parseAnswer(signature('a -> b'), 'json', 'Sure:\n```json\n{"b": "x", "why": "y"}\n```')).toEqual({ b: 'x' });
  });

  test('is found in lines in any order, the first of each name', () => {
    const asked = signature('a -> b, c: int');
    expect(parseAnswer(asked, 'lines', 'Here:\n c: 2\nb:  x: y \nb: z')).toEqual({ b: 'x: y', c: 2 });
  });

  test('is found between markers, over several lines', () => {
    const answer = 'Sure.\n[[ ## b ## ]]\none\ntwo\n\n[[ ## c ## ]]\n2\n\n[[ ## completed ## ]]';
    expect(parseAnswer(signature('a -> b, c: int'), 'markers', answer)).toEqual({ b: 'one\ntwo', c: 2 });
  });

  test('is a bare value without the blanks around it', () => {
    expect(parseAnswer(signature("a -> b: 'x' | 'y'"), 'value', ' y\n')).toEqual({ b: 'y' });
  });
});

describe('an answer that cannot be read is a parse failure that says why', () => {
  test.each<[string, ChatFormatName, string, string, string]>([
    ['no JSON', 'json', 'a -> b', 'I do not know.', 'no JSON object in the answer "I do not know."'],
    ['broken JSON', 'json', 'a -> b', '{"b": x}', 'no JSON object in the answer "{\\"b\\": x}"'],
    ['a missing output', 'json', 'a -> b, c', '{"b": "x"}', 'no field "c", in the answer "{\\"b\\": \\"x\\"}"'],
    ['a missing line', 'lines', 'a -> b, c', 'b: x', 'no field "c", in the answer "b: x"'],
    ['a missing section', 'markers', 'a -> b', 'x', 'no field "b", in the answer "x"'],
    ['another label', 'value', "a -> b: 'x' | 'y'", 'z', '"b" is none of its labels, in the answer "z"'],
    ['a word for a number', 'value', 'a -> b: int', 'two', '"b" is not JSON: "two"'],
    [
      'a fraction for a whole number',
      'value',
      'a -> b: int',
      '1.5',
      'b: Invalid input: expected int, received number, in the answer "1.5"',
    ],
    [
      'a number for text',
      'json',
      'a -> b',
      '{"b": 1}',
      'b: Invalid input: expected string, received number, in the answer "{\\"b\\": 1}"',
    ],
  ])('%s', (_, format, asked, answer, message) => {
    expect(failureOf(format, answer, signature(asked))).toEqual({ kind: 'parse', message });
  });

  test('a long answer is shown by its beginning', () => {
    const failure = failureOf('json', 'x'.repeat(1000), signature('a -> b'));
    expect(failure?.message).toBe(`no JSON object in the answer "${'x'.repeat(120)}"`);
  });

  test('a constraint that is not met is named', () => {
    const asked = signature({ inputs: { a: z.string() }, outputs: { b: z.string().min(3), c: z.number().max(1) } });
    expect(failureOf('json', '{"b": "x", "c": 2}', asked)?.message).toMatch(/^b: Too small.*; c: Too big/);
  });
});

describe('a signature that cannot be laid out', () => {
  const constrained = (chatFormat: ChatFormatName) => ({ chatFormat, decoding: 'constrained' as const });

  test('with several outputs as one bare value is told', () => {
    expect(formatMistakes(signature('a -> b, c'), constrained('value'))).toEqual([
      'The chat format "value" is for one output; this signature has 2. Use "json" or "lines".',
    ]);
  });

  test('with outputs that no grammar can hold is told, each by its name', () => {
    const open = signature({
      inputs: { a: z.string() },
      outputs: {
        scores: z.looseObject({ a: z.number() }),
        step: z.number().multipleOf(5),
        team: z.string(),
      },
    });
    expect(formatMistakes(open, constrained('json'))).toEqual([
      'The output "scores": "additionalProperties" cannot be decoded under a grammar; name every member (no z.looseObject, no .catchall), or use decoding "free"',
      'The output "step": "multipleOf" cannot be decoded under a grammar; use decoding "free" or a simpler type',
    ]);
  });

  test('may be decoded freely', () => {
    const open = signature({ inputs: { a: z.string() }, outputs: { step: z.number().multipleOf(5) } });
    const free = { chatFormat: 'json', decoding: 'free' } as const;
    expect(formatMistakes(open, free)).toEqual([]);
    expect(answerPieces(open, free, { step: 10 })).toEqual(['{"step": 10}']);
  });

  test('with labels that are one without quotes is told, except in JSON', () => {
    const alike = signature({ inputs: { a: z.string() }, outputs: { b: z.literal(['1', 1]) } });
    expect(formatMistakes(alike, constrained('lines'))).toEqual([
      'The output "b": the labels "1" and 1 read the same without quotes; use the chat format "json".',
    ]);
    expect(formatMistakes(alike, constrained('json'))).toEqual([]);
  });

  test('is none with one output of any kind', () => {
    expect(formatMistakes(signature('a -> b: list[int]'), constrained('value'))).toEqual([]);
  });
});

test('JSON is written with a blank after each comma and colon, as the grammars demand', () => {
  expect(jsonText({ a: [1, { b: null }], c: undefined, d: 'x\ny' })).toBe('{"a": [1, {"b": null}], "d": "x\\ny"}');
});
