import { expect, test } from 'vitest';
import { neutralProbes } from '../../src/run/neutral-text.ts';
import { scriptedModel } from '../support/scripted-model.ts';

test('every token of the answers is asked for, each from what stands before it', async () => {
  const model = scriptedModel(() => ['x']);
  const probes = await neutralProbes(model);
  expect(probes).toHaveLength(8);
  const rows = await Promise.all(
    probes.map(async ({ ids, positions }) => {
      const [first] = positions;
      const row = { promptIds: ids.slice(0, first! + 1), completionIds: ids.slice(first! + 1) };
      const [texts] = await model.tokenTexts([row]);
      return { asked: positions.length, answer: row.completionIds.length, text: texts!.slice(first! + 1).join('') };
    }),
  );
  expect(rows.every(({ asked, answer }) => asked === answer)).toBe(true);
  expect(rows[0]?.text).toContain('Yeast feeds on the sugar');
});
