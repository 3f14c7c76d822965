import { test } from 'vitest';
import { localModel } from '../../src/lm/llama/local-model.ts';
const words = 'please help me with my card because the payment was charged twice and the parcel never arrived at home'.split(' ');
const text = (seed: number, n: number) => Array.from({ length: n }, (_, i) => words[(seed * 7 + i * (3 + (seed % 5))) % words.length]).join(' ');
const labels = ['balance', 'bill due', 'credit limit', 'card declined', 'direct deposit', 'exchange rate', 'freeze account', 'interest rate', 'min payment', 'pay bill', 'pin change', 'report fraud'];
test('bench', async () => {
  await using lm = await localModel({ gguf: 'models/SmolLM2-135M-Instruct.Q8_0.gguf', device: 'cpu', threads: Number(process.env.T ?? 1) });
  let t = performance.now();
  console.log('open', await lm.engine().then(() => (performance.now() - t).toFixed(0)));
  const turns = Array.from({ length: 6 }, (_, i) => ({ user: text(i, 20), assistant: `{"label": "${labels[i]}"}` }));
  const ask = (user: string, temperature = 0) => lm.generate({
    model: { base: lm.base.sha256, adapter: null },
    prompt: { system: `Classify the message of a bank customer. One of ${labels.join(', ')}.`, turns, user },
    answer: [{ type: 'text', text: '{"label": "' }, { type: 'choice', options: labels }, { type: 'text', text: '"}' }],
    choice: 'greedy', sampling: { temperature, topP: 1, maxTokens: 50, seed: 0 },
  }, { adapter: null });
  for (let round = 0; round < 2; round++) {
    t = performance.now();
    const answers = await Promise.all(Array.from({ length: 60 }, (_, i) => ask(text(i + 60 * round, 40))));
    const s = (performance.now() - t) / 1000;
    const u = answers[0]!.usage;
    console.log('rows/s', (60 / s).toFixed(2), 'seconds', s.toFixed(2), u, new Set(answers.map((a) => (a.failure === null ? a.pieces[1] : a.failure.message))));
  }
  t = performance.now();
  const free = await Promise.all(Array.from({ length: 16 }, (_, i) => lm.generate({
    model: { base: lm.base.sha256, adapter: null }, prompt: { system: 'Be brief.', turns: [], user: text(i, 10) }, answer: null, choice: 'greedy', sampling: { temperature: 0, topP: 1, maxTokens: 32, seed: 0 } }, { adapter: null })));
  const s = (performance.now() - t) / 1000;
  console.log('free', free.length, 'tokens/s', (free.reduce((a, f) => a + f.usage.completion, 0) / s).toFixed(1), s.toFixed(2));
  t = performance.now();
  const val = await Promise.all(Array.from({ length: 16 }, (_, i) => lm.generate({
    model: { base: lm.base.sha256, adapter: null }, prompt: { system: 'Be brief.', turns: [], user: text(i, 10) }, answer: [{ type: 'text', text: '{"why": "' }, { type: 'value', grammar: 'root ::= char* "\\""\nchar ::= [^"\\\\\\x00-\\x1F\\x7F] | "\\\\" (["\\\\bfnrt])', end: { kind: 'json-string' } }, { type: 'text', text: '}' }], choice: 'greedy', sampling: { temperature: 0, topP: 1, maxTokens: 32, seed: 0 } }, { adapter: null })));
  const s2 = (performance.now() - t) / 1000;
  console.log('grammar', val.length, 'tokens/s', (val.reduce((a, f) => a + f.usage.completion, 0) / s2).toFixed(1), s2.toFixed(2), val[0]);
}, 200000);
