import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { answerPlan, parseAnswer, renderPrompt } from '../../src/core/chat-format.ts';
import type { LanguageModel, LmResponse } from '../../src/core/lm.ts';
import { signature } from '../../src/core/signature.ts';
import { ask, labelPlan } from '../support/requests.ts';

/** What a host's tests open: the model, and how to close it and what is behind it. */
export interface OpenedModel {
  readonly lm: LanguageModel;
  close(): Promise<void>;
}

const minute = 60_000;

/** What every model host promises, whatever its model says. */
export function languageModelContract(name: string, open: () => Promise<OpenedModel>): void {
  describe(`${name} keeps the promises of a language model:`, () => {
    let lm: LanguageModel;
    let close: () => Promise<void>;
    beforeAll(async () => {
      ({ lm, close } = await open());
    }, minute);
    afterAll(() => close(), minute);

    test('its base has a sha256, a place and a name', () => {
      expect(lm.base).toMatchObject({
        sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
        path: expect.stringMatching(/./),
        name: expect.stringMatching(/./),
      });
    });

    test('its engine stays the one it was, or the one that was wanted', async () => {
      const engine = await lm.engine();
      expect(await lm.engine()).toEqual(engine);
      expect(await lm.engine(engine)).toEqual(engine);
      expect(engine.contextTokens).toBeGreaterThan(0);
      expect(['bytes', 'replay']).toContain(engine.reproducible);
    });

    test('an answer has a piece for each part of its plan, forced texts and labels as they were given', async () => {
      const response = await ask(lm, { user: 'My parcel never came.', answer: labelPlan(['billing', 'delivery']) });
      const [before, label, after, ...others] = piecesOf(response);
      expect([before, after, others]).toEqual(['{"label": "', '"}', []]);
      expect(['billing', 'delivery']).toContain(label);
    });

    test('the only label is the answer, and a label that another begins with is told apart', async () => {
      const asked = [['close'], ['close "now"'], ['ünïcode 日本']].map(async (labels) => {
        const options = labels.map((label) => JSON.stringify(label).slice(1, -1));
        return piecesOf(await ask(lm, { user: 'Hi', answer: labelPlan(options) }))[1];
      });
      expect(await Promise.all(asked)).toEqual(['close', 'close \\"now\\"', 'ünïcode 日本']);
      const [, label] = piecesOf(await ask(lm, { user: 'Hi', answer: labelPlan(['account', 'account closure']) }));
      expect(['account', 'account closure']).toContain(label);
    });

    test.each(['json', 'lines', 'markers'] as const)('an answer in the format "%s" parses', async (chatFormat) => {
      const triage = signature("ticket -> team: 'billing' | 'delivery', urgency: int, angry: bool");
      const state = { chatFormat, decoding: 'constrained', demos: [], choice: 'greedy' } as const;
      const model = { base: lm.base.sha256, adapter: null };
      const prompt = renderPrompt(
        triage,
        { ...state, instructions: triage.instructions, model },
        { ticket: 'My parcel never came.' },
      );
      const response = await ask(lm, { ...prompt, answer: answerPlan(triage, state), sampling: { maxTokens: 200 } });
      const outputs = parseAnswer(triage, chatFormat, piecesOf(response).join(''));
      expect(Object.keys(outputs)).toEqual(['team', 'urgency', 'angry']);
    });

    test('a free answer is one piece, or was cut off', async () => {
      const response = await ask(lm, { user: 'Say hello.', sampling: { maxTokens: 48 } });
      if (response.failure) expect(response.failure.kind).toBe('length');
      else expect(response.pieces).toHaveLength(1);
      expect(response.usage.completion).toBeGreaterThan(0);
    });

    test('an answer that needs more tokens than allowed is a length failure, with its tokens counted', async () => {
      const digits = [{ type: 'value', grammar: 'root ::= [a-z ]{200}', end: { kind: 'turn' } }] as const;
      const response = await ask(lm, { user: 'Tell a long story.', answer: digits, sampling: { maxTokens: 4 } });
      expect(response).toMatchObject({ failure: { kind: 'length' }, usage: { completion: 4 } });
      expect(response.usage.prompt).toBeGreaterThan(0);
    });

    test('a prompt that does not fit is a length failure', async () => {
      const { contextTokens } = await lm.engine();
      const response = await ask(lm, { user: 'word '.repeat(2 * contextTokens) });
      expect(response.failure?.kind).toBe('length');
    });

    test('many questions at once get each its own answer', async () => {
      const labels = Array.from({ length: 12 }, (_, index) => `label-${index}`);
      const answers = await Promise.all(labels.map((label) => ask(lm, { user: 'Hi', answer: labelPlan([label]) })));
      expect(answers.map((answer) => piecesOf(answer)[1])).toEqual(labels);
    });

    test('an answer that is not wanted any more rejects with the reason, and the next one comes', async () => {
      const stop = new AbortController();
      const asked = ask(lm, { user: 'Tell a long story.', sampling: { maxTokens: 200 }, signal: stop.signal });
      stop.abort(new Error('enough'));
      await expect(asked).rejects.toThrow('enough');
      const next = await ask(lm, { user: 'Hi', answer: labelPlan(['only']) });
      expect(piecesOf(next)[1]).toBe('only');
    });

    test('a request for other weights is refused, not answered', async () => {
      const other: LanguageModel = { ...lm, base: { ...lm.base, sha256: 'f'.repeat(64) } };
      await expect(ask(other, { user: 'Hi' })).rejects.toThrow(/The request is for (base|model) fff/);
    });

    test('after it was released it answers again', async () => {
      await lm.release();
      expect(piecesOf(await ask(lm, { user: 'Hi', answer: labelPlan(['only']) }))[1]).toBe('only');
    });
  });
}

const piecesOf = (response: LmResponse): readonly string[] =>
  response.failure === null ? response.pieces : expect.fail(response.failure.message);
