import { expect, test } from 'vitest';
import { initialCandidate, withPredictor } from '../../src/core/candidate.ts';
import { signature } from '../../src/core/signature.ts';
import { promptText } from '../../src/report/prompt-text.ts';

const predictors = {
  route: signature("ticket, age: int -> team: 'billing' | 'delivery'", 'Route it.'),
  reply: signature('team -> text', 'Write to them.\nBe kind.'),
};
const start = initialCandidate(predictors, {
  chatFormat: 'lines',
  decoding: 'constrained',
  model: { base: 'b'.repeat(64), adapter: null },
});
const candidate = withPredictor(start, 'route', {
  demos: [{ inputs: { ticket: 'Paid twice.', age: 30 }, outputs: { team: 'billing' }, source: 'e1' }],
  model: { base: 'b'.repeat(64), adapter: 'a'.repeat(64) },
});

test('every message of every predictor is shown, with its inputs as {names}', () => {
  expect(promptText(predictors, candidate)).toBe(
    `predictor route (lines, constrained, 1 demos, base bbbbbbbbbbbb, adapter aaaaaaaaaaaa)
  system:
    Route it.
    Answer with these lines:
    team: one of billing, delivery
  user:
    ticket: Paid twice.
    age: 30
  assistant:
    team: billing
  user:
    ticket: {ticket}
    age: {age}

predictor reply (lines, constrained, 0 demos, base bbbbbbbbbbbb, adapter none)
  system:
    Write to them.
    Be kind.
    Answer with these lines:
    text: text
  user:
    {team}`,
  );
});

test('demos that are chosen by likeness are counted, not shown', () => {
  const [demo] = candidate.predictors.route!.demos;
  const text = promptText(predictors, withPredictor(start, 'route', { demos: [demo!, demo!], nearest: 1 }));
  expect(text).toContain('predictor route (lines, constrained, the 1 of 2 demos that are most like the question, base');
  expect(text).not.toContain('Paid twice.');
});

test('labels that are not taken greedily are told', () => {
  const calibrated = withPredictor(start, 'route', { choice: { priors: { team: [0.75, 0.25] } } });
  expect(promptText(predictors, calibrated)).toContain(
    'predictor route (lines, constrained, labels calibrated, 0 demos,',
  );
});
